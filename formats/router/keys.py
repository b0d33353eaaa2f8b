"""What fills the key memory: scores summed over heads, in integers.

LazyLLM (arXiv 2407.14057 §3) ranks tokens by the mean of a row of attention over heads. Dividing by
the number of heads cannot change an order, so the sum is the key.
"""

from typing import Literal

import torch
from torch import Tensor

from formats.errors import InputError
from formats.router.descriptor import KEY_BITS
from formats.router.numbers import UQ0_16, quantise

MAXIMUM_KEY = (1 << KEY_BITS) - 1


def accumulate(keys: Tensor, added: Tensor) -> tuple[Tensor, bool]:
    """Add unsigned values to keys, clipping at ``2^24 - 1``.

    Two int64 [n] → keys int64 [n], and whether any was clipped. 256 rows of 16-bit values never clip.
    """
    sums = keys + added
    return sums.clamp(max=MAXIMUM_KEY), bool((sums > MAXIMUM_KEY).any())


def score_keys(attention: Tensor, code: Literal["sum16", "x24"] = "sum16") -> Tensor:
    """Keys of attention probabilities: float [heads, n] → int64 [n].

    Parameters
    ----------
    attention
        Probabilities, one row per head.
    code
        ``"sum16"``: the sum of each head's 16-bit fractions, as the unit accumulates them.
        ``"x24"``: bits 31:8 of the float32 nearest to the exact sum of 32-bit fractions; monotone,
        and its ties are several hundred times rarer.

    Raises
    ------
    InputError
        If the code is neither, or a probability is NaN.
    """
    if code == "sum16":
        return UQ0_16.quantise(attention).sum(dim=0).clamp(max=MAXIMUM_KEY)
    if code == "x24":
        sums = quantise(attention, 32, 0, (1 << 32) - 1).sum(dim=0)
        return sums.float().view(torch.int32).long() >> 8  # never negative: order of bits is order of values
    raise InputError(f"code must be 'sum16' or 'x24', not {code!r}")
