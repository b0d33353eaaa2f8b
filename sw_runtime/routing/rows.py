"""An index a row: the first entry above a bound, or the largest. Experts and exits are chosen so."""

from typing import Literal

from torch import Tensor

from formats.errors import InputError
from formats.router.descriptor import Bound, Flag, Opcode
from formats.router.legality import MAXIMUM_ELEMENTS
from formats.router.numbers import SQ7_16, NumberFormat, threshold
from sw_runtime.device.protocol import Device
from sw_runtime.routing.commands import ask, request, values_of
from sw_runtime.routing.selection import NotANumber

FALLBACK_BIT = 31


def first_above(
    device: Device,
    rows: Tensor,
    bound: float,
    *,
    closed: bool = False,
    fallback: Literal["largest", "none"] = "largest",
    number_format: NumberFormat = SQ7_16,
    nan: NotANumber = "raise",
) -> tuple[Tensor, Tensor]:
    """Index of each row's first entry above a bound.

    DynaMoE (arXiv 2502.12325) takes the largest expert where none passes; M2R2's exits (2502.02040)
    take none. A bound on probabilities is one on logits: see ``formats.router.numbers.logit``.

    Parameters
    ----------
    device
        A device with a router.
    rows
        Float [T, E] with E at least 1 and T·E at most 2^18.
    bound
        An entry passes above it, or with ``closed`` from it on.
    fallback
        For a row in which none passes: index of the largest entry, or E.
    number_format
        What entries become; logits of 24 bits when not given.
    nan
        ``"lowest"`` makes NaN the format's least number; ``"raise"`` refuses it.

    Returns
    -------
    tuple[Tensor, Tensor]
        Index int64 [T], and bool [T]: none passed.

    Raises
    ------
    InputError
        If the shape is not as above, a number is NaN or the fallback is neither.
    """
    if fallback not in ("largest", "none"):
        raise InputError(f"fallback must be 'largest' or 'none', not {fallback!r}")
    key, closed = threshold(bound, ">=" if closed else ">", number_format)
    flags = Bound.FIELD << 3 | (Flag.FIRST_CLOSED if closed else 0) | (Flag.FIRST_NONE if fallback == "none" else 0)
    return _first(device, rows, flags, key, number_format, nan)


def argmax(device: Device, rows: Tensor, *, number_format: NumberFormat = SQ7_16, nan: NotANumber = "raise") -> Tensor:
    """Index of each row's largest entry, the first among equals: float [T, E] → int64 [T].

    Raises
    ------
    InputError
        As ``first_above``.
    """
    return _first(device, rows, 0, 0, number_format, nan)[0]


def _first(
    device: Device, rows: Tensor, flags: int, key: int, number_format: NumberFormat, nan: NotANumber
) -> tuple[Tensor, Tensor]:
    if rows.ndim != 2 or not 1 <= rows.shape[1] < 1 << 16 or rows.numel() > MAXIMUM_ELEMENTS:
        raise InputError(
            f"rows must be [T, E] of 1 to 65535 columns and at most {MAXIMUM_ELEMENTS} entries, not {list(rows.shape)}"
        )
    elements = number_format.quantise(rows, nan).flatten().tolist()
    flags |= number_format.key_format
    answer = ask(device, request(Opcode.FIRST, elements, flags, n=len(elements), z=rows.shape[1], x=key))
    values = values_of(answer)
    return values & ((1 << FALLBACK_BIT) - 1), (values >> FALLBACK_BIT).bool()
