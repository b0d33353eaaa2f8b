"""What a device's router does for M2R2: it compares drafts, finds exits and keeps the cache of experts."""

from collections.abc import Sequence
from functools import partial

from torch import Tensor

from formats.router.answer import Lookup
from sw_runtime.device.protocol import Device
from sw_runtime.methods.m2r2.exits import Choose
from sw_runtime.methods.m2r2.speculation import Accept
from sw_runtime.routing.drafts import accept_drafts
from sw_runtime.routing.experts import access_experts, flush_experts, release_experts
from sw_runtime.routing.rows import first_above


def accept_on_device(device: Device) -> Accept:
    """Drafts compared with targets by the router."""
    return partial(accept_drafts, device)


def choose_on_device(device: Device, threshold: float) -> Choose:
    """The earliest exit whose logit is above θ_exit, strictly, found by the router."""

    def choose(logits: Tensor) -> Tensor:
        return first_above(device, logits, threshold, fallback="none")[0]

    return choose


class DeviceExpertCache:
    """The cache of experts in a device's router, a set a layer (see ``experts.ExpertCache``).

    Parameters
    ----------
    device
        A device with a router; the sets are flushed.
    layers
        Sets that are used.
    """

    def __init__(self, device: Device, layers: int) -> None:
        self.device = device
        for layer in range(layers):
            flush_experts(device, layer)

    def access(self, layer: int, experts: Sequence[int], pin: bool, prefetch: bool) -> list[Lookup]:
        """As ``ExpertCache.access``."""
        return access_experts(self.device, layer, experts, pin=pin, prefetch=prefetch)

    def release(self, layer: int, experts: Sequence[int]) -> None:
        """As ``ExpertCache.release``."""
        release_experts(self.device, layer, experts)
