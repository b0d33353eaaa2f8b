"""What tokens say of an input: second moments, loud tokens capped, and what errors then cost."""

import pytest
import torch

from sw_runtime.fit.covariance import covariance, input_statistics

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
    assert torch.equal(covariance(tokens).capped, (tokens.double().T @ tokens.double() / 10000).float())


def test_output_errors_are_relative_to_the_outputs() -> None:
    inputs = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    inputs[7] *= 30  # a loud token
    weights, found = torch.tensor([[1.0, 2, 3], [0, 1, 0]]), torch.tensor([[1.0, 2, 4], [0, 0, 0]])
    expected = ((weights - found).double() @ inputs.T).norm() / (weights.double() @ inputs.T).norm()
    plain, capped = covariance(inputs).output_errors(weights, found)
    moments = covariance(inputs).capped.double()
    assert plain == pytest.approx(expected.item(), rel=1e-6)
    quiet = ((weights - found).double() @ moments @ (weights - found).double().T).trace()
    assert capped == pytest.approx((quiet / (weights.double() @ moments @ weights.double().T).trace()).sqrt().item())


def test_a_loud_token_is_kept_by_itself_and_its_errors_are_not_lost_beside_its_size() -> None:
    tokens = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    tokens[3, 0] = 1e6
    found = covariance(tokens)
    assert found.loud.shape == (1, 6)
    error = torch.zeros(1, 6)
    error[0, 1:] = 1e-4 * torch.arange(1.0, 6)  # leaves the loud direction alone
    error[0, 0] = -(error[0, 1:] @ tokens[3, 1:]) / 1e6
    expected = ((error.double() @ tokens.double().T).norm() / tokens.double().sum(dim=1).norm()).item()
    assert found.output_errors(torch.ones(1, 6), torch.ones(1, 6).double() - error)[0] == pytest.approx(
        expected, rel=1e-3
    )


def test_many_loud_tokens_take_no_more_than_a_matrix() -> None:
    tokens = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    tokens[:24] *= 100
    found = covariance(tokens)
    assert found.loud.shape == (6, 6)
    torch.testing.assert_close(found.plain, tokens.double().T @ tokens.double() / 64, rtol=1e-5, atol=1e-3)


def test_a_matrix_found_exactly_has_no_error_and_a_silent_one_none_either() -> None:
    weights = torch.ones(2, 3)
    assert covariance(TOKENS).output_errors(weights, weights) == (0, 0)
    assert covariance(torch.zeros(4, 3)).output_errors(weights, 2 * weights) == (0, 0)
