"""Which experts' weights are on the device: the router's least-recently-used cache, one set a layer."""

from collections.abc import Sequence

from formats.router.answer import Lookup
from formats.router.descriptor import CacheAction, Flag, Opcode
from sw_runtime.device.protocol import Device
from sw_runtime.routing.commands import ask, request


def access_experts(
    device: Device, layer: int, experts: Sequence[int], *, pin: bool = False, prefetch: bool = False
) -> list[Lookup]:
    """Look up the experts of one step of a layer, and bring in those that are missing.

    Parameters
    ----------
    device
        A device with a router.
    layer
        Set of the cache.
    experts
        At most 16 distinct numbers, 0 to 255.
    pin
        Keep them until ``release_experts``.
    prefetch
        Count hits and misses apart from those of real steps.

    Returns
    -------
    list[Lookup]
        What happened to each.

    Raises
    ------
    InputError
        If there is no such layer, or the experts are not as above.
    """
    action = CacheAction.PREFETCH if prefetch else CacheAction.ACCESS
    return _lookups(device, action | (Flag.LRU_PIN if pin else 0), layer, experts)


def release_experts(device: Device, layer: int, experts: Sequence[int]) -> list[Lookup]:
    """Let experts be evicted again; those that are not there are passed over.

    Raises
    ------
    InputError
        As ``access_experts``.
    """
    return _lookups(device, CacheAction.RELEASE, layer, experts)


def flush_experts(device: Device, layer: int) -> None:
    """Forget the experts of a layer.

    Raises
    ------
    InputError
        If there is no such layer.
    """
    ask(device, request(Opcode.LRU, flags=CacheAction.FLUSH, x=layer))


def _lookups(device: Device, flags: int, layer: int, experts: Sequence[int]) -> list[Lookup]:
    answer = ask(device, request(Opcode.LRU, experts, flags, n=len(experts), x=layer))
    return [
        Lookup(
            hit=bool(word >> 15),
            way=word >> 8 & 7,
            victim=word & 0xFF if word >> 14 & 1 else None,
            no_way=bool(word >> 13 & 1),
        )
        for word in answer.payload
    ]
