"""Weights to trellis words by every method."""

import pytest
import torch
from torch import Tensor

from formats.errors import InputError
from formats.matrices import Fp16Matrix, real_weights
from formats.presets import TRELLIS_PRESETS, preset_named
from formats.trellis_matrix import TrellisMatrix
from sw_runtime.fit import encoders
from sw_runtime.fit.candidates import GroupEncoder
from sw_runtime.fit.covariance import InputStatistics, input_statistics
from sw_runtime.fit.encoders import Inputs, encoder_of
from sw_runtime.fit.workers import Threads
from sw_runtime.search.trellis import EncodedRows

NAME = "trellis-3bit"


def gaussian(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def statistics() -> InputStatistics:
    """Of 32 inputs that share eight directions, some far louder than others."""
    tokens = gaussian(800, 8, 1) @ gaussian(8, 32, 2) + 0.3 * gaussian(800, 32, 3)
    return input_statistics(tokens * torch.logspace(-1, 1, 32))


def output_error(weights: Tensor, method: str) -> float:
    (matrix,) = encoder_of(NAME).encode([weights], method, Inputs(statistics()), Threads(1), None)
    return statistics().calibration.output_errors(weights, real_weights(matrix))[1]


def test_what_is_known_of_the_inputs_is_used() -> None:
    feedback, diagonal, plain = (output_error(gaussian(16, 32), method) for method in encoder_of(NAME).methods)
    assert feedback < 0.8 * diagonal
    assert diagonal < 0.8 * plain


def test_matrices_of_one_input_are_encoded_together_and_taken_apart() -> None:
    done: list[int] = []
    weights = [gaussian(3, 32), gaussian(2, 32, 5)]
    found = encoder_of(NAME).encode(weights, "feedback", Inputs(statistics()), Threads(1), done.append)
    (whole,) = encoder_of(NAME).encode([torch.cat(weights)], "feedback", Inputs(statistics()), Threads(2), None)
    assert [matrix.rows for matrix in found] == [3, 2]
    assert all(isinstance(matrix, TrellisMatrix) for matrix in found)
    assert torch.equal(torch.cat([real_weights(matrix) for matrix in found]), real_weights(whole))
    assert sum(done) == 5 * 32


def test_a_factor_is_formed_only_where_errors_are_fed_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "inverse_factor", None)
    inputs = Inputs(statistics())
    for name, method in (("fp16", "rounded"), ("palette-4bit", "diagonal"), (NAME, "diagonal")):
        encoder_of(name).encode([gaussian(3, 32)], method, inputs, Threads(1), None)
    with pytest.raises(TypeError):
        encoder_of(NAME).encode([gaussian(3, 32)], "feedback", inputs, Threads(1), None)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "row 2 holds weights too small for a scale"),
        (2, "row 2, matrix 2 of 2, holds weights too small for a scale"),
    ],
)
def test_a_row_too_small_for_a_scale_is_named_within_its_matrix(count: int, said: str) -> None:
    tiny = gaussian(4, 32)
    tiny[2] *= 1e-44
    with pytest.raises(InputError, match=said):
        encoder_of(NAME).encode([gaussian(3, 32), tiny][-count:], "plain", Inputs(None), Threads(1), None)


@pytest.mark.parametrize("name", TRELLIS_PRESETS)
def test_gaussian_rows_lose_about_the_format_s_ordinary_error(name: str) -> None:
    weights = gaussian(6, 256)
    (matrix,) = encoder_of(name).encode([weights], "plain", Inputs(None), Threads(1), None)
    error = float((real_weights(matrix) - weights).norm() / weights.norm())
    assert error == pytest.approx(preset_named(name).ordinary_error, rel=0.04)


def test_a_spoilt_matrix_takes_the_next_trellis_and_at_last_fp16(monkeypatch: pytest.MonkeyPatch) -> None:
    tried, right = [], encoders.encode

    def spoiled(weights: Tensor, trellis_format: object, *arguments: object, **named: object) -> EncodedRows:
        tried.append(trellis_format)
        return right(weights.flip(0), trellis_format, *arguments, **named)

    monkeypatch.setattr(encoders, "encode", spoiled)
    monkeypatch.setattr(
        encoders,
        "encode_at_best_scales",
        lambda w, f, s, *_: TrellisMatrix(f, right(w.flip(0), f, s).words, s, w.shape[1]),
    )
    (layer,) = GroupEncoder(statistics()).encode([gaussian(4, 32)], "trellis-2bit")
    assert [found.name for found in tried] == list(TRELLIS_PRESETS)[::-1]
    assert isinstance(layer.matrix, Fp16Matrix)
