"""What a drop rate means: an exact fraction of the tokens, rounded down.

A float such as 0.7 stands for the decimal it prints as. ``int(0.7 * 90)`` in float64 is 62; seven
tenths of 90 are 63.
"""

import math
from fractions import Fraction

from formats.errors import InputError
from formats.router.descriptor import KEY_BITS

Rate = float | Fraction


def exact_rate(rate: Rate) -> Fraction:
    """The fraction a rate stands for; of a float, its shortest decimal.

    Raises
    ------
    InputError
        If it is not 0 to 1.
    """
    if not 0 <= rate <= 1:
        raise InputError(f"a rate must be 0 to 1, not {rate!r}")
    return rate if isinstance(rate, Fraction) else Fraction(repr(rate))


def drop_count(rate: Rate, tokens: int) -> int:
    """``floor(rate * tokens)``, exactly: how many tokens a drop rate drops."""
    return math.floor(exact_rate(rate) * tokens)


def rate24(rate: Rate) -> int:
    """``ceil(rate * 2^24)``, what TOPK in RATE mode takes; it drops ``rate24 * c >> 24`` of c tokens.

    That is the exact floor for one decimal up to c = 2,097,151, two 174,762, three 16,912 and four
    1,680. For finer rates send ``drop_count``.

    Raises
    ------
    InputError
        If the rate is not 0 to 1, or rounds up to 1: drop all tokens with DROP instead.
    """
    scaled = math.ceil(exact_rate(rate) * (1 << KEY_BITS))
    if scaled >> KEY_BITS:
        raise InputError(f"rate {rate!r} does not fit {KEY_BITS} bits; send DROP with the number of tokens")
    return scaled
