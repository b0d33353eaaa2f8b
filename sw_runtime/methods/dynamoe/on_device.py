"""Experts as a device's router chooses them."""

from collections.abc import Callable, Sequence

from torch import Tensor

from formats.router.numbers import logit
from sw_runtime.device.protocol import Device
from sw_runtime.routing.rows import first_above


def choose(device: Device, logits: Tensor, theta: float) -> tuple[Tensor, Tensor]:
    """The smallest expert whose sigmoid is above θ, else the one of the largest logit.

    Parameters
    ----------
    device
        A device with a router.
    logits
        Float [T, E], of every expert being enough for a token.
    theta
        θ at run time, a probability.

    Returns
    -------
    Experts int64 [T], and where none passed, bool [T].
    """
    return first_above(device, logits, logit(theta))


def by_routers(
    device: Device, routers: Sequence[Callable[[Tensor], Tensor]], theta: float
) -> Callable[[int, Tensor], Tensor]:
    """The experts of tokens, as a decoder asks for them: number of the layer and the MLP's inputs [T, D] → int64 [T].

    Parameters
    ----------
    device, theta
        As ``choose``.
    routers
        One a layer, [T, D] → logits [T, E].
    """
    return lambda layer, x: choose(device, routers[layer](x), theta)[0]
