"""Which rows of a prompt with images stay, chosen by a device's router."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from formats.errors import InputError
from sw_runtime.device.protocol import Device
from sw_runtime.routing.masks import leave_out
from sw_runtime.routing.selection import keep_top

Keep = Callable[[Tensor | None], Tensor]
"""Attention of the last layer before the drop, [heads, T, T] or None → rows that stay, bool [T]."""

Runs = Sequence[tuple[int, int]]
"""Start and length of each image's visual tokens."""


def outside_images(device: Device, tokens: int, images: Runs) -> Keep:
    """Victor's choice: every row but the visual tokens. A RANGE an image, each in the set the last one left.

    Parameters
    ----------
    device
        A device with a router that holds the tokens.
    tokens
        T, rows of the prompt.
    images
        Their runs.
    """

    def choose(attention: Tensor | None) -> Tensor:
        kept = None
        for start, length in images:
            kept = leave_out(device, tokens, start, length, kept)
        return torch.ones(tokens, dtype=torch.bool) if kept is None else kept

    return choose


def best_of_image(device: Device, tokens: int, images: Runs, keep: int) -> Keep:
    """FastV's choice: the visual tokens that the last token attends to most, by the sum of the heads, and the rest.

    Parameters
    ----------
    device, tokens, images
        As ``outside_images``.
    keep
        Visual tokens that stay.

    Raises
    ------
    InputError
        When it is asked before any layer: there is no attention to rank by.
    """
    visual = torch.zeros(tokens, dtype=torch.bool)
    for start, length in images:
        visual[start : start + length] = True

    def choose(attention: Tensor | None) -> Tensor:
        if attention is None:
            raise InputError("FastV ranks by attention; drop behind at least one layer")
        return keep_top(device, attention[:, -1], keep=keep, candidates=visual, outside=True)

    return choose
