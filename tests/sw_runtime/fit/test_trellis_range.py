"""How far the integers of a trellis row reach."""

from dataclasses import replace

import pytest
import torch

from formats.presets import TRELLIS_PRESETS
from formats.trellis import TrellisFormat
from sw_runtime.fit.trellis_range import scales

EVERY_PRESET = pytest.mark.parametrize("trellis_format", TRELLIS_PRESETS.values(), ids=TRELLIS_PRESETS)


@EVERY_PRESET
def test_an_ordinary_row_s_scale_is_its_root_mean_square_over_26(trellis_format: TrellisFormat) -> None:
    weights = torch.cat([torch.ones(1, 32), -torch.ones(1, 32)], dim=1)
    found = scales(weights, trellis_format, [torch.ones(64)])
    assert found.tolist() == [torch.tensor(1 / 26).bfloat16().item()]


def test_a_row_of_zeros_has_scale_zero() -> None:
    assert scales(torch.zeros(1, 8), TRELLIS_PRESETS["trellis-4bit"], [torch.ones(8)]).tolist() == [0.0]


def test_a_weight_far_out_on_a_strong_input_widens_its_row_alone() -> None:
    weights = torch.ones(2, 256)
    weights[1, 7] = 30.0
    power = torch.ones(256)
    power[7] = 100.0
    ordinary, wide = scales(weights, TRELLIS_PRESETS["trellis-4bit"], [power]).tolist()
    assert ordinary == pytest.approx(1 / 26, rel=0.01)
    assert wide * 127 > 0.8 * 30


def test_rates_of_unknown_error_are_refused() -> None:
    odd = replace(TRELLIS_PRESETS["trellis-2bit"], name="odd", fresh_bits=(2, 1))
    with pytest.raises(ValueError, match=r"odd has 1\.5 bits a weight; rates of known error are"):
        scales(torch.ones(1, 8), odd, [torch.ones(8)])
