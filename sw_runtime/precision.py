"""How exactly torch multiplies float32 matrices on this processor."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def bfloat16_products() -> Iterator[None]:
    """Within it, torch may round the factors of float32 products to bfloat16 where that is faster.

    For samples and gradients, which need no more; never for what is judged or written. The setting is torch's own and
    holds for the whole process. Other processors multiply as before.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
