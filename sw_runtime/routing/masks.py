"""Sets of tokens, bool [n]: Boolean functions of them, runs, and shares of hits."""

import torch
from torch import Tensor

from formats.errors import InputError
from formats.router.descriptor import NO_SLOT, Flag, Opcode
from sw_runtime.device.protocol import Device
from sw_runtime.routing.commands import ask, check_mask, check_tokens, mask_of, put_mask, request

MAXIMUM_COUNT = 4095


def combine(device: Device, truth_table: int, *masks: Tensor) -> Tensor:
    """Any Boolean function of one to three sets: bool [n] each → bool [n].

    Set k contributes ``2^k`` to the number of the ``truth_table`` bit that is the result: ``0x88`` is
    ``a & b``, ``0x08`` is ``a & b & ~c``.

    Raises
    ------
    InputError
        If the sets are not one to three of one length, do not fit the router, or the table is no byte.
    """
    if not 1 <= len(masks) <= 3:
        raise InputError(f"combine takes one to three sets, not {len(masks)}")
    if not 0 <= truth_table <= 0xFF:
        raise InputError(f"truth_table must be 0 to 0xff, not {truth_table:#x}")
    n = len(masks[0])
    check_tokens(device, n)
    for mask in masks:
        check_mask("every set", mask, n)
    sa, sb, sc = (*range(len(masks)), NO_SLOT, NO_SLOT)[:3]
    loads = [put_mask(slot, mask) for slot, mask in enumerate(masks)]
    return mask_of(ask(device, *loads, request(Opcode.GATHER, n=n, z=truth_table, sa=sa, sb=sb, sc=sc)), n)


def leave_out(
    device: Device, tokens: int, start: int, length: int, mask: Tensor | None = None, invert: bool = False
) -> Tensor:
    """Mark the tokens outside a run, or with ``invert`` those inside: bool [tokens].

    Victor (arXiv 2410.14072) drops the image tokens so. ``mask``, bool [tokens], is what to choose from.

    Raises
    ------
    InputError
        If the run does not fit the tokens, or they the router.
    """
    check_tokens(device, tokens)
    if not 0 <= start <= start + length <= tokens:
        raise InputError(f"tokens {start} to {start + length} do not fit {tokens} tokens")
    requests, slot = [], NO_SLOT
    if mask is not None:
        check_mask("mask", mask, tokens)
        requests, slot = [put_mask(0, mask)], 0
    flags = Flag.RANGE_INVERT if invert else 0
    return mask_of(
        ask(device, *requests, request(Opcode.RANGE, flags=flags, n=tokens, x=start, y=length, sa=slot)), tokens
    )


def keep_ratio(device: Device, hits: Tensor, totals: Tensor, at_least: int, keep_empty: bool = False) -> Tensor:
    """Mark ``hits / totals >= at_least / 256``: CtrlSynth's self-filter (arXiv 2410.11963).

    Parameters
    ----------
    device
        A device with a router.
    hits, totals
        int64 [n], 0 to 4095.
    at_least
        In 256ths, 0 to 256. 51 is one fifth, exactly so for totals up to 255.
    keep_empty
        What becomes of a total of 0.

    Returns
    -------
    Tensor
        bool [n].

    Raises
    ------
    InputError
        If a shape or a number is not as above, or they do not fit the router.
    """
    n = len(hits)
    check_tokens(device, n)
    counts = torch.stack((hits, totals)) if hits.shape == totals.shape else torch.tensor(-1)
    if hits.ndim != 1 or (n and not 0 <= int(counts.min()) <= int(counts.max()) <= MAXIMUM_COUNT):
        raise InputError(f"hits and totals must be [n] alike, 0 to {MAXIMUM_COUNT}")
    if not 0 <= at_least <= 256:
        raise InputError(f"at_least must be 0 to 256 (256ths), not {at_least}")
    elements = (hits | totals << 12).tolist()
    flags = Flag.RATIO_KEEP_EMPTY if keep_empty else 0
    return mask_of(ask(device, request(Opcode.RATIO, elements, flags, n=n, x=at_least)), n)
