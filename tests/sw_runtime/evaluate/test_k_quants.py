"""llama.cpp's K-quants: known bits of known error, rows laid end to end."""

import pytest
import torch
from xllamacpp import xllamacpp

from sw_runtime.evaluate.k_quants import k_quantised

LIBRARY = xllamacpp.__file__
WEIGHTS = torch.randn(16, 512, generator=torch.Generator().manual_seed(0)) / 10


@pytest.mark.parametrize(("format", "error"), [("Q4_K", 0.072), ("Q3_K", 0.152), ("Q2_K", 0.296)])
def test_gaussian_weights_lose_what_the_format_loses(format: str, error: float) -> None:
    found = k_quantised(WEIGHTS, format, LIBRARY)
    assert float((found - WEIGHTS).norm() / WEIGHTS.norm()) == pytest.approx(error, rel=0.04)


def test_a_block_of_32_holds_16_values() -> None:
    found = k_quantised(WEIGHTS, "Q4_K", LIBRARY)
    assert max(len(block.unique()) for block in found.view(-1, 32)) <= 16


def test_rows_of_any_length_are_laid_end_to_end() -> None:
    rows = WEIGHTS.flatten()[:7200].view(75, 96)
    found = k_quantised(rows, "Q4_K", LIBRARY)
    assert found.shape == rows.shape
    whole = k_quantised(WEIGHTS, "Q4_K", LIBRARY).flatten()
    assert torch.equal(found.flatten()[:7168], whole[:7168])  # 28 super-blocks; the last is padded


def test_the_dtype_stays() -> None:
    assert k_quantised(WEIGHTS.bfloat16(), "Q2_K", LIBRARY).dtype == torch.bfloat16
