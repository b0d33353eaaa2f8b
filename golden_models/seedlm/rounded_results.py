"""Results of a product in 24 bits, for a link that is slower than the board."""

from torch import Tensor

from formats.board_requests import ROUNDED_BITS


def rounded(sums: Tensor, places: int) -> Tensor:
    """Sums without their ``places`` low bits, halves up, clipped to 24 signed bits: int64 → int64, any shape.

    ``floor(sum / 2^places + 1/2)``; a sum of 64 bits does not overflow, as half of it is added after the shift.
    """
    largest = (1 << ROUNDED_BITS - 1) - 1
    halves = (sums >> places - 1 & 1) if places else 0
    return ((sums >> places) + halves).clamp(-largest - 1, largest)
