"""Value of one integer unit."""

import pytest
import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.presets import PRESETS, preset_of
from formats.scales import paper_scale, row_scales

PAPER = PRESETS["paper-4bit"]


def gaussian(rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))


def test_paper_formats_have_one_scale_a_matrix() -> None:
    assert row_scales(gaussian(3, 16), PAPER).tolist() == pytest.approx([2**-8 / 32767])
    assert paper_scale(PAPER, exponent_bias=-3) == 2**-11 / 32767


def test_scaled_formats_have_a_scale_a_row_in_16_bits() -> None:
    weights = gaussian(3, 64) * torch.tensor([[1.0], [0.0], [100.0]])
    scales = row_scales(weights, PRESETS["scaled-4bit"])
    assert torch.equal(scales, scales.bfloat16().float())
    step = preset_of(PRESETS["scaled-4bit"]).row_step
    assert scales.tolist() == pytest.approx((step * weights.pow(2).mean(dim=1).sqrt()).tolist(), rel=2**-8)


def test_a_format_that_is_not_registered_has_no_default_scale() -> None:
    tiny = BlockFormat("tiny-odd", 4, 2, 6, 0, 2, entry_bits=2, odd_coefficients=True)
    with pytest.raises(ValueError, match="no preset 'tiny-odd' with these parameters is registered"):
        row_scales(gaussian(1, 4), tiny)
