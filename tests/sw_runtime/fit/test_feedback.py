"""Error feedback against its definition: the best real-valued answer of the columns that are still free."""

import pytest
import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.errors import InputError
from formats.matrices import EncodedMatrix
from formats.presets import PRESETS
from golden_models.seedlm import codec
from golden_models.seedlm.codec import decode, integer_weights
from sw_runtime.fit.feedback import DAMPING, encode_with_feedback, inverse_factor
from sw_runtime.fit.row_range import scales
from sw_runtime.search.search import encode_matrix

SCALED = PRESETS["scaled-3bit"]


def gaussian(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def correlated_inputs(columns: int, seed: int = 1) -> Tensor:
    """Covariance of inputs of very different power that depend on each other: float64 [columns, columns]."""
    mixing = gaussian(columns, columns, seed).double() * torch.logspace(-1, 1, columns, dtype=torch.float64)
    return mixing.T @ mixing / columns


def row_scales(weights: Tensor, block_format: BlockFormat) -> Tensor:
    return scales([weights], block_format, [torch.ones(weights.shape[1])])


def reference_words(weights: Tensor, block_format: BlockFormat, row_scales: Tensor, covariance: Tensor) -> Tensor:
    """One row and one block at a time, with the golden search and plain least squares.

    With an error e in block I, the free columns J best move by ``-e H_IJ H_JJ⁻¹``; what e then costs is
    ``e (H_II - H_IJ H_JJ⁻¹ H_JI) eᵀ``.
    """
    damped = covariance + DAMPING * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=torch.float64)
    size = block_format.block_size
    words = torch.zeros(len(weights), weights.shape[1] // size, dtype=torch.int64)
    for row, scale in enumerate(row_scales.double().expand(len(weights))):
        wanted = weights[row].double() / scale
        for block in range(words.shape[1]):
            inside, free = slice(block * size, (block + 1) * size), slice((block + 1) * size, None)
            answer = damped[inside, free] @ torch.linalg.inv(damped[free, free])
            cost = damped[inside, inside] - answer @ damped[free, inside]
            metric = torch.linalg.cholesky(cost).T
            words[row, block] = codec.encode_blocks(wanted[None, inside], metric, block_format)[0]
            found = EncodedMatrix(block_format, words[row, block].view(1, 1), torch.ones(1), size)
            error = integer_weights(found)[0].double() - wanted[inside]
            wanted[free] -= error @ answer
    return words


@pytest.mark.parametrize("name", ["scaled-4bit", "scaled-3bit", "scaled-2bit", "paper-4bit"])
def test_words_are_those_of_the_definition(name: str) -> None:
    block_format = PRESETS[name]
    weights, covariance = gaussian(2, 3 * block_format.block_size), correlated_inputs(3 * block_format.block_size)
    chosen = row_scales(weights, block_format)
    found = encode_with_feedback(weights, block_format, chosen, inverse_factor(covariance))
    assert torch.equal(found.words, reference_words(weights, block_format, chosen, covariance))


def test_the_factor_is_that_of_the_damped_inverse() -> None:
    covariance = correlated_inputs(16)
    factor = inverse_factor(covariance)
    damped = covariance + DAMPING * covariance.diagonal().mean() * torch.eye(16, dtype=torch.float64)
    assert torch.equal(factor, factor.triu())
    torch.testing.assert_close(factor.T @ factor, torch.linalg.inv(damped))


def test_inputs_that_are_never_excited_are_free_of_the_others() -> None:
    covariance = correlated_inputs(16)
    covariance[3], covariance[:, 3] = 0, 0
    factor = inverse_factor(covariance)
    assert factor[3, 4:].abs().max() == 0
    assert inverse_factor(torch.zeros(4, 4, dtype=torch.float64)).isfinite().all()


def test_independent_inputs_of_one_power_give_the_plain_words() -> None:
    weights = gaussian(3, 32)
    factor = inverse_factor(torch.eye(32, dtype=torch.float64))
    found = encode_with_feedback(weights, SCALED, row_scales(weights, SCALED), factor)
    assert torch.equal(found.words, encode_matrix(weights, SCALED, row_scales(weights, SCALED)).words)


def test_feedback_lowers_the_output_error_of_correlated_inputs() -> None:
    factors = gaussian(8, 64).double()
    weights, covariance = gaussian(16, 64), factors.T @ factors  # 64 inputs that are mixtures of 8

    def output_error(matrix: EncodedMatrix) -> float:
        error = (decode(matrix) - weights).double()
        return ((error @ covariance) * error).sum().item()

    chosen = row_scales(weights, SCALED)
    plain = encode_matrix(weights, SCALED, chosen)
    assert output_error(encode_with_feedback(weights, SCALED, chosen, inverse_factor(covariance))) < (
        output_error(plain) / 2
    )


def test_a_row_that_ends_within_a_block_is_encoded_as_if_its_padding_did_not_matter() -> None:
    weights, covariance = gaussian(2, 19), correlated_inputs(19)
    chosen, factor = row_scales(weights, SCALED), inverse_factor(correlated_inputs(19))
    found = encode_with_feedback(weights, SCALED, chosen, factor)
    assert (found.words.shape, found.columns) == ((2, 3), 19)
    whole = encode_with_feedback(weights[:, :16], SCALED, chosen, inverse_factor(covariance)[:16, :16])
    assert torch.equal(found.words[:, :2], whole.words)


def test_threads_do_not_change_the_words_and_progress_counts_every_weight_once() -> None:
    weights, factor = gaussian(20, 19), inverse_factor(correlated_inputs(19))
    done: list[int] = []
    one = encode_with_feedback(weights, SCALED, row_scales(weights, SCALED), factor, progress=done.append)
    two = encode_with_feedback(weights, SCALED, row_scales(weights, SCALED), factor, threads=2)
    assert torch.equal(one.words, two.words)
    assert sum(done) == weights.numel()


def test_a_row_of_zeros_stays_zero() -> None:
    weights = gaussian(2, 16)
    weights[1] = 0
    factor = inverse_factor(correlated_inputs(16))
    assert torch.equal(
        decode(encode_with_feedback(weights, SCALED, row_scales(weights, SCALED), factor))[1], weights[1]
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_inputs_that_overflow_are_refused(value: float) -> None:
    covariance = torch.full((4, 4), value, dtype=torch.float64)
    covariance[0, 0] = 1.0
    with pytest.raises(
        InputError, match="its inputs overflow on the calibration text, so the model is damaged or need"
    ):
        inverse_factor(covariance)
