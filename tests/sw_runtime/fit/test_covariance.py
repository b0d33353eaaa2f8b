"""What tokens say of an input: second moments, loud tokens capped, and what errors then cost."""

import pytest
import torch

from sw_runtime.fit.covariance import Covariance, covariance, input_statistics

TOKENS = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [1.0, 1.0, 0], [0, 0, 100.0], [1.0, 0, 0], [1.0, 1.0, 0]])


def test_plain_moments_are_the_mean_over_tokens() -> None:
    found = covariance(TOKENS).plain
    torch.testing.assert_close(found * 6, TOKENS.T.double() @ TOKENS.double(), rtol=1e-6, atol=0)


def test_capped_moments_limit_a_token_to_ten_times_the_median() -> None:
    found = covariance(TOKENS).capped
    assert found[2, 2].item() == pytest.approx(10 / 6)
    assert torch.equal(found[:2, :2], covariance(TOKENS).plain[:2, :2])


def test_the_last_quarter_of_the_tokens_is_held_out() -> None:
    tokens = torch.arange(24.0).view(2, 4, 3)
    statistics = input_statistics(tokens)
    assert torch.equal(statistics.calibration.plain, covariance(tokens.flatten(0, 1)[:6]).plain)
    assert torch.equal(statistics.held_out.plain, covariance(tokens.flatten(0, 1)[6:]).plain)


def test_many_tokens_are_summed_as_few_are() -> None:
    tokens = torch.randint(-4, 5, (10000, 3), generator=torch.Generator().manual_seed(0)).float()
    assert torch.equal(covariance(tokens).plain * 10000, tokens.double().T @ tokens.double())


def test_output_errors_are_relative_to_the_outputs() -> None:
    inputs = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moments = inputs.T @ inputs / 50
    weights, found = torch.tensor([[1.0, 2, 3], [0, 1, 0]]), torch.tensor([[1.0, 2, 4], [0, 0, 0]])
    expected = ((weights - found).double() @ inputs.T).norm() / (weights.double() @ inputs.T).norm()
    errors = Covariance(moments, 2 * moments).output_errors(weights, found)
    assert errors == pytest.approx((expected.item(), expected.item()))


def test_a_matrix_found_exactly_has_no_error_and_a_silent_one_none_either() -> None:
    weights = torch.ones(2, 3)
    assert covariance(TOKENS).output_errors(weights, weights) == (0, 0)
    assert covariance(torch.zeros(4, 3)).output_errors(weights, 2 * weights) == (0, 0)
