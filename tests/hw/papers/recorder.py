"""A device that notes what its router is sent, so that the same can be sent through the RTL."""

from collections.abc import Sequence

from formats.router.answer import Answer
from formats.router.descriptor import RouterParameters
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.device.protocol import Request
from tests.hw.router.problems import Problem


class Recorder(EmulatedDevice):
    """An emulated device with a memory.

    Parameters
    ----------
    router
        Its router's size.

    Attributes
    ----------
    sent
        Everything so far, in order.
    """

    def __init__(self, router: RouterParameters) -> None:
        super().__init__(router=router)
        self.sent: list[Request] = []

    def route(self, requests: Sequence[Request]) -> list[Answer]:
        """Note and run commands."""
        self.sent += requests
        return super().route(requests)

    def problems(self) -> list[Problem]:
        """What was sent, as the bench takes it."""
        return [Problem(request.command, request.data) for request in self.sent]
