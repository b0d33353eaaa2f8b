"""Sets of tokens: bool [n] in these models, words of 16 bits on the wire and in the unit."""

import torch
from torch import Tensor

from formats.router.descriptor import WORD_BITS


def to_words(mask: Tensor) -> Tensor:
    """Pack a set, token i at bit ``i % 16`` of word ``i // 16``: bool [n] → int64 [ceil(n / 16)]."""
    padded = torch.nn.functional.pad(mask.long(), (0, -len(mask) % WORD_BITS)).view(-1, WORD_BITS)
    return (padded << torch.arange(WORD_BITS)).sum(dim=1)


def from_words(words: Tensor, n: int) -> Tensor:
    """Inverse of ``to_words``: int64 [at least ceil(n / 16)] → bool [n]; bits from n on are ignored."""
    return (words[:, None] >> torch.arange(WORD_BITS) & 1).flatten()[:n].bool()


def indices(mask: Tensor) -> Tensor:
    """Members of a set, ascending: bool [n] → int64 [count]."""
    return mask.nonzero().flatten()


def combine(truth_table: int, n: int, *operands: Tensor | None) -> Tensor:
    """Any Boolean function of up to four sets: bool [n] each, an absent one is empty → bool [n].

    Operand k contributes ``2^k`` to the number of the ``truth_table`` bit that is the result, so
    ``0x8888`` is ``a & b`` and ``0x0808`` is ``a & b & ~c``.
    """
    number = torch.zeros(n, dtype=torch.int64)
    for position, operand in enumerate(operands):
        if operand is not None:
            number += operand.long() << position
    return (truth_table >> number & 1).bool()
