"""Scales reach as far as pays: no farther on ordinary rows, over the outlier where it matters."""

import pytest
import torch

from formats.presets import PRESETS, TRELLIS_PRESETS, preset_named, preset_of
from formats.scales import row_scales
from golden_models.seedlm.codec import decode
from sw_runtime.fit.row_range import scales
from sw_runtime.search.search import encode_matrix

STEP = preset_of(PRESETS["scaled-4bit"]).row_step
SCALED = [name for name in PRESETS if name.startswith("scaled")]
UNIFORM = [torch.ones(512)]


def rows(seed: int = 0) -> torch.Tensor:
    return torch.randn(16, 512, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", SCALED)
def test_gaussian_rows_keep_the_usual_scale(name: str) -> None:
    assert torch.equal(scales([rows()], PRESETS[name], UNIFORM), row_scales(rows(), PRESETS[name]))


@pytest.mark.parametrize("name", SCALED)
def test_a_loud_outlier_is_brought_into_range(name: str) -> None:
    weights = rows()
    weights[3, 7] = 20.0
    power = torch.ones(512)
    power[7] = 1000.0
    found = scales([weights], PRESETS[name], [power])
    reach = PRESETS[name].maximum_sum * found[3]
    assert reach > 20
    assert torch.equal(found[:3], row_scales(weights[:3], PRESETS[name]))


def test_an_outlier_on_a_silent_input_does_not_coarsen_its_row() -> None:
    weights = rows()
    weights[3, 7] = 20.0
    power = torch.ones(512)
    power[7] = 0.0
    assert torch.equal(scales([weights], PRESETS["scaled-4bit"], [power]), row_scales(weights, PRESETS["scaled-4bit"]))


def test_either_power_can_ask_for_more_range() -> None:
    weights = rows()
    weights[0, 7] = 20.0
    loud = torch.ones(512)
    loud[7] = 1000.0
    both = scales([weights], PRESETS["scaled-4bit"], [torch.ones(512), loud])
    assert both[0] > row_scales(weights, PRESETS["scaled-4bit"])[0]


def test_rounding_that_feedback_answers_leaves_more_rows_their_range() -> None:
    weights = rows()
    weights[3, 7] = 8.0
    power = torch.ones(512)
    power[7] = 0.5
    usual = scales([weights], PRESETS["scaled-4bit"], [power])
    answered = scales([weights], PRESETS["scaled-4bit"], [power], rounded=0.01 * power)
    assert answered[3] > usual[3]


def test_scales_are_what_sixteen_bits_hold() -> None:
    found = scales([rows()], PRESETS["scaled-4bit"], UNIFORM)
    assert torch.equal(found, found.bfloat16().float())
    assert found == pytest.approx(STEP * rows().square().mean(dim=1).sqrt(), rel=2**-8)


def test_a_row_of_zeros_has_scale_zero() -> None:
    weights = rows()
    weights[5] = 0
    assert scales([weights], PRESETS["scaled-4bit"], UNIFORM)[5] == 0


@pytest.mark.parametrize("name", ["paper-4bit", "paper-3bit"])
@pytest.mark.parametrize("sigma", [1e-6, 1e-3, 1e3])
def test_paper_error_does_not_depend_on_the_size_of_the_weights(name: str, sigma: float) -> None:
    weights = rows()[:, :48] * sigma
    found = decode(encode_matrix(weights, PRESETS[name], scales([weights], PRESETS[name], UNIFORM)))
    assert ((found - weights).norm() / weights.norm()).item() < {"paper-4bit": 0.125, "paper-3bit": 0.23}[name]


def test_a_paper_matrix_of_zeros_has_the_papers_scale() -> None:
    assert scales([torch.zeros(4, 8)], PRESETS["paper-4bit"], UNIFORM).isfinite().all()


@pytest.mark.parametrize("name", TRELLIS_PRESETS)
def test_trellis_rows_have_scales_by_the_same_rule(name: str) -> None:
    weights = torch.ones(3, 256)
    weights[1, 7], weights[2] = 30.0, 0.0
    power = torch.ones(256)
    power[7] = 100.0
    ordinary, wide, empty = scales([weights], TRELLIS_PRESETS[name], [power]).tolist()
    assert ordinary == pytest.approx(preset_named(name).row_step, rel=2**-8)
    assert wide * TRELLIS_PRESETS[name].maximum_weight > 0.8 * 30
    assert empty == 0
