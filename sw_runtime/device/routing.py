"""The router of a device: commands and their data in, answers out."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from formats.arguments import check_types
from formats.errors import DeviceError
from formats.router.answer import TRAILER_WORDS, Answer
from formats.router.descriptor import RouterParameters, Status
from golden_models.router.unit import RouterUnit
from sw_runtime.device.cycle_limits import cycle_limit
from sw_runtime.device.protocol import Counters, Request

COMMAND_BYTES = 20
WORD_BYTES = 2


R = TypeVar("R", bound="Router")


class Router(Protocol):
    """A token router. All routers of one size answer alike."""

    def execute(self, request: Request) -> tuple[Answer, int]:
        """Run a command to its end; returns its answer and its busy cycles.

        Raises
        ------
        DeviceError
            If the router stops answering.
        """

    def close(self) -> None:
        """Give back what the router holds."""


def present(router: R | None) -> R:
    """The router of a device.

    Raises
    ------
    DeviceError
        If there is none.
    """
    if router is None:
        raise DeviceError("this device has no router; open it with router=RouterParameters()")
    return router


def route(router: Router, requests: Sequence[Request]) -> tuple[list[Answer], Counters]:
    """Run commands in order; returns their answers and what they cost.

    Raises
    ------
    InputError
        If they are no sequence of requests; none is run then.
    DeviceError
        If the router stops answering.
    """
    check_types(requests=(requests, Sequence))
    for request in requests:
        check_types(request=(request, Request))
    answers, cost = [], Counters()
    for request in requests:
        answer, cycles = router.execute(request)
        cost += Counters(router_cycles=cycles, router_bytes=traffic_bytes(answer) + len(request.data))
        answers.append(answer)
    return answers, cost


def traffic_bytes(answer: Answer) -> int:
    """Bytes of a command and its answer, the command's data left out."""
    return COMMAND_BYTES + WORD_BYTES * (len(answer.payload) + TRAILER_WORDS)


class EmulatedRouter:
    """The golden unit, executed as it stands; its busy cycles are the most that a command may take.

    There is no second formulation of the router in software, so what an emulated router answers is checked
    against the simulated Verilog, not against the golden unit. A refused command takes 0 cycles.

    Parameters
    ----------
    parameters
        The router it stands for.
    """

    def __init__(self, parameters: RouterParameters) -> None:
        self._unit = RouterUnit(parameters)

    def execute(self, request: Request) -> tuple[Answer, int]:
        """Run a command to its end; returns its answer and the limit of its cycles."""
        answer = self._unit.execute(request.command, request.data)
        refused = answer.status in (Status.BAD_OP, Status.BAD_ARG, Status.BAD_SLOT, Status.BAD_N)
        return answer, 0 if refused else cycle_limit(request.command, self._unit.parameters)

    def close(self) -> None:
        """Nothing to give back."""
