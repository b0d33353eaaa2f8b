"""Products with rows of float16 numbers are those with the numbers."""

import pytest
import torch

from sw_runtime.host import fp16
from sw_runtime.host.fp16 import Fp16Rows


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_products_are_those_of_the_numbers(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fp16, "TILE_WEIGHTS", 100)  # two rows of 40 numbers, the last one alone
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(7, 40, generator=generator).half()
    inputs = torch.randn(3, 40, generator=generator).to(dtype)
    torch.testing.assert_close(Fp16Rows(weights).multiply(inputs), inputs @ weights.to(dtype).T)
