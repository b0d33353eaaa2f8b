"""No matrix is stored in a way that spoils its layer's output."""

from typing import Any

import pytest
import torch
from torch import Tensor

from formats.errors import InputError
from formats.matrices import EncodedMatrix, Fp16Matrix, real_weights
from formats.presets import PALETTES, PRESETS, preset_of
from golden_models.seedlm.codec import decode
from sw_runtime.fit import candidates, encoders
from sw_runtime.fit.candidates import EncodedLayer, GroupEncoder
from sw_runtime.fit.covariance import InputStatistics, input_statistics
from sw_runtime.fit.encoders import importance
from sw_runtime.fit.feedback import encode_with_feedback, inverse_factor
from sw_runtime.fit.report import LayerReport
from sw_runtime.fit.row_errors import worst_row_error
from sw_runtime.fit.row_range import scales
from sw_runtime.search.search import encode_matrix

THREE_BITS = "scaled-3bit"


def gaussian(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def statistics() -> InputStatistics:
    return input_statistics(gaussian(400, 8, 1) @ gaussian(8, 16, 2) + gaussian(400, 16, 3))


def spoil(monkeypatch: pytest.MonkeyPatch, *methods: str) -> None:
    """Make the methods give rows in the wrong order."""

    def spoiled(encode: Any) -> Any:
        def run(weights: Tensor, *arguments: Any) -> Any:
            return encode(weights.flip(0), *arguments)

        return run

    if "feedback" in methods:
        monkeypatch.setattr(encoders, "encode_with_feedback", spoiled(encode_with_feedback))
    if "plain" in methods:
        monkeypatch.setattr(encoders, "encode_matrix", spoiled(encode_matrix))


def test_feedback_is_the_first_choice_and_matrices_of_one_input_share_it() -> None:
    weights, inputs = [gaussian(4, 16), gaussian(3, 16, 5)], statistics()
    found = GroupEncoder(inputs).encode(weights, THREE_BITS)
    stacked = torch.cat(weights)
    covariance = inputs.calibration
    factor = inverse_factor(covariance.capped)
    powers = [covariance.plain.diagonal(), covariance.capped.diagonal()]
    row_scales = scales([stacked], PRESETS[THREE_BITS], powers, factor.diagonal() ** -2)
    expected = encode_with_feedback(stacked, PRESETS[THREE_BITS], row_scales, factor)
    assert [layer.report.method for layer in found] == ["feedback", "feedback"]
    assert isinstance(found[0].matrix, EncodedMatrix)
    assert isinstance(found[1].matrix, EncodedMatrix)
    assert torch.equal(torch.cat([found[0].matrix.words, found[1].matrix.words]), expected.words)
    assert torch.equal(torch.cat([found[0].matrix.scales, found[1].matrix.scales]), expected.scales)


def test_the_report_holds_the_errors_of_what_is_stored() -> None:
    weights, inputs = gaussian(4, 16), statistics()
    (layer,) = GroupEncoder(inputs).encode([weights], THREE_BITS)
    assert isinstance(layer.matrix, EncodedMatrix)
    plain, capped = inputs.calibration.output_errors(weights, decode(layer.matrix))
    held_out = max(inputs.held_out.output_errors(weights, decode(layer.matrix)))
    assert layer.report == LayerReport("scaled-3bit", "feedback", plain, capped, held_out)
    assert layer.report.worst == max(plain, capped, held_out)


def test_matrices_of_a_paper_format_share_one_scale() -> None:
    found = GroupEncoder(statistics()).encode([gaussian(2, 16), gaussian(2, 16, 5)], "paper-4bit")
    assert isinstance(found[0].matrix, EncodedMatrix)
    assert isinstance(found[1].matrix, EncodedMatrix)
    assert torch.equal(found[0].matrix.scales, found[1].matrix.scales)


def test_without_calibration_all_columns_count_alike() -> None:
    weights = gaussian(4, 16)
    (layer,) = GroupEncoder(None).encode([weights], THREE_BITS)
    assert isinstance(layer.matrix, EncodedMatrix)
    row_error = worst_row_error(weights, decode(layer.matrix))
    assert layer.report == LayerReport("scaled-3bit", "plain", row_error=row_error)
    assert torch.equal(layer.matrix.words, encode_matrix(weights, PRESETS[THREE_BITS]).words)


def test_where_feedback_spoils_a_matrix_the_better_other_method_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, "feedback")
    weights = gaussian(4, 16)
    (layer,) = GroupEncoder(statistics()).encode([weights], THREE_BITS)
    assert layer.report.format == "scaled-3bit"
    assert layer.report.method in ("diagonal", "plain")
    assert layer.is_sound


def test_where_no_method_will_do_the_next_format_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, "feedback", "plain")
    right = encode_with_feedback

    def only_at_four_bits(weights: Tensor, block_format: Any, *arguments: Any) -> Any:
        return right(weights if block_format.name == "scaled-4bit" else weights.flip(0), block_format, *arguments)

    monkeypatch.setattr(encoders, "encode_with_feedback", only_at_four_bits)
    (layer,) = GroupEncoder(statistics()).encode([gaussian(4, 16)], THREE_BITS)
    assert (layer.report.format, layer.report.method) == ("scaled-4bit", "feedback")


@pytest.mark.parametrize("name", PRESETS)
def test_where_nothing_will_do_the_matrix_is_rounded_to_fp16(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, "feedback", "plain")
    (layer,) = GroupEncoder(statistics()).encode([gaussian(4, 16)], name)
    assert isinstance(layer.matrix, Fp16Matrix)
    assert torch.equal(layer.matrix.weights, gaussian(4, 16).half())
    assert (layer.report.format, layer.report.method) == ("fp16", "rounded")
    assert 0 < layer.report.worst < 1e-3


def test_a_weight_beyond_fp16s_reach_on_the_device_is_refused() -> None:
    with pytest.raises(ValueError, match=r"weight \[0, 0\] is 300.0; the FP16 baseline takes magnitudes below 256"):
        GroupEncoder(None).encode([torch.full((2, 16), 300.0)], "fp16")


def test_only_the_spoilt_matrix_of_a_group_is_encoded_anew() -> None:
    """Its weights lie where calibration heard nothing and the held-out tokens are loud."""
    tokens = gaussian(400, 16, 3)
    tokens[:300, 8:] *= 1e-3
    lost = gaussian(4, 16)
    lost[:, :8] = 0
    found = GroupEncoder(input_statistics(tokens)).encode([gaussian(4, 16, 5), lost], "scaled-2bit")
    assert found[0].report.format != "fp16"
    assert all(layer.is_sound for layer in found)


@pytest.mark.parametrize("name", PRESETS)
def test_soundness_is_an_error_not_far_above_the_formats_own(name: str) -> None:
    limit = candidates.TOLERANCE * preset_of(PRESETS[name]).ordinary_error
    matrix = encode_matrix(gaussian(2, 16), PRESETS[name])
    assert EncodedLayer(matrix, LayerReport(name, "feedback", 0.0, 0.0, limit)).is_sound
    assert not EncodedLayer(matrix, LayerReport(name, "feedback", 0.0, limit * 1.01, 0.0)).is_sound


def test_every_input_has_some_importance_and_none_much_more_than_its_block() -> None:
    power = torch.tensor([0.0, 1, 1, 1, 1, 1, 1, 1e9, 2.0, 2, 2, 2], dtype=torch.float64)
    damping = 0.01 * power.mean()
    found = importance(power, block_size=8)
    assert found[0] == damping
    assert found[7] == 64 * (1 + damping)
    assert torch.equal(found[8:], power[8:] + damping)


def matrices_of_all_sizes() -> dict[str, Tensor]:
    """Matrices that a format might turn into zeros, or into noise."""
    ordinary, constant = gaussian(16, 24), torch.full((16, 24), 0.3)
    zero_row, zero_columns, lone = ordinary.clone(), ordinary.clone(), torch.zeros(16, 24)
    zero_row[0], zero_columns[:, :16], lone[3, 5] = 0, 0, 0.1
    sizes = {f"{size:g}": size * ordinary for size in (1e-37, 1e-30, 1e-9, 1e30, 1e37)}
    shapes = {"one column": ordinary[:, :1], "tail": ordinary[:, :13]}
    holes = {"zeros": torch.zeros(16, 24), "zero row": zero_row, "zero columns": zero_columns, "lone weight": lone}
    return {"constant": constant, **sizes, **shapes, **holes}


@pytest.mark.parametrize("calibrated", [False, True], ids=["data-free", "with a text"])
@pytest.mark.parametrize("format", [*PRESETS, *PALETTES])
def test_no_matrix_becomes_zeros_or_noise_without_a_word(format: str, calibrated: bool) -> None:
    for kind, weights in matrices_of_all_sizes().items():
        inputs = gaussian(400, weights.shape[1], 7)
        (layer,) = GroupEncoder(input_statistics(inputs) if calibrated else None).encode([weights], format)
        missed = (real_weights(layer.matrix).double() - weights.double()).norm()
        assert missed <= 0.5 * weights.double().norm(), kind


def test_an_outlier_leaves_its_row_the_others_or_the_matrix_falls_to_fp16() -> None:
    weights = 0.02 * gaussian(4, 256)
    weights[2, 9] = 100
    (layer,) = GroupEncoder(None).encode([weights], "scaled-4bit")
    others = torch.ones(256, dtype=torch.bool)
    others[9] = False
    found = real_weights(layer.matrix)
    assert ((found - weights)[2, others].norm() / weights[2, others].norm()).item() < 0.01
    assert layer.report == LayerReport("fp16", "rounded", row_error=layer.report.row_error)
    assert layer.report.row_error is not None
    assert 0 < layer.report.row_error < 0.001


def test_without_a_text_the_next_format_is_tried_before_fp16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "LOST", 0.12)  # between the two formats' ordinary errors
    (layer,) = GroupEncoder(None).encode([gaussian(2, 256)], THREE_BITS)
    assert (layer.report.format, layer.report.method) == ("scaled-4bit", "plain")


def test_weights_too_small_for_fp16_are_refused() -> None:
    with pytest.raises(InputError, match="FP16 would lose weights that are too small for it, and no other format"):
        GroupEncoder(None).encode([1e-9 * gaussian(4, 16)], "fp16")
