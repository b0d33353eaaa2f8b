"""How many drafted tokens a target model accepts: speculative decoding."""

import torch
from torch import Tensor

from formats.errors import InputError
from formats.router.descriptor import Flag, Opcode
from formats.router.numbers import UQ0_24
from sw_runtime.device.protocol import Device
from sw_runtime.routing.commands import ask, request, values_of

MAXIMUM_DRAFTS = 255
MAXIMUM_TOKEN = (1 << 24) - 1


def accept_drafts(device: Device, drafts: Tensor, targets: Tensor) -> tuple[int, int]:
    """Leading drafts that equal the target's own choices, and the token that follows them.

    Parameters
    ----------
    device
        A device with a router.
    drafts
        Token ids below 2^24, int64 [g] with g at most 255.
    targets
        The target's choice at each draft and after the last: int64 [g + 1].

    Returns
    -------
    tuple[int, int]
        Accepted drafts a, and ``targets[a]``.

    Raises
    ------
    InputError
        If a shape or an id is not as above.
    """
    if drafts.ndim != 1 or len(drafts) > MAXIMUM_DRAFTS or targets.shape != (len(drafts) + 1,):
        raise InputError(
            f"drafts must be [g] with g at most {MAXIMUM_DRAFTS} and targets [g + 1], "
            f"not {list(drafts.shape)} and {list(targets.shape)}"
        )
    tokens = torch.cat((torch.stack((drafts, targets[:-1]), dim=1).flatten(), targets[-1:]))
    if not 0 <= int(tokens.min()) <= int(tokens.max()) <= MAXIMUM_TOKEN:
        raise InputError(f"token ids must be 0 to {MAXIMUM_TOKEN}")
    answer = ask(device, request(Opcode.PREFIX, tokens.tolist(), n=len(tokens)))
    return answer.count, int(values_of(answer)[0])


def accept_sampled(device: Device, uniform: Tensor, draft: Tensor, target: Tensor) -> int:
    """Leading drafts that pass ``uniform < target / draft``: float [g] each, 0 to 1.

    ``draft`` and ``target`` are the probabilities that both models give the drafted tokens. A target's
    0 never passes, and one no less than the draft's always does. The next token is the caller's to draw.

    Raises
    ------
    InputError
        If the shapes are not [g] with g at most 255, or a number is NaN.
    """
    if uniform.ndim != 1 or len(uniform) > MAXIMUM_DRAFTS or not uniform.shape == draft.shape == target.shape:
        raise InputError(f"uniform, draft and target must be [g] alike with g at most {MAXIMUM_DRAFTS}")
    elements = UQ0_24.quantise(torch.stack((uniform, draft, target), dim=1)).flatten().tolist()
    return ask(device, request(Opcode.PREFIX, elements, Flag.PREFIX_STOCHASTIC, n=len(elements))).count
