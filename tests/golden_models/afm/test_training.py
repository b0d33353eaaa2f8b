import pytest
import torch

from golden_models.afm.training import (
    committee_best,
    distillation_target,
    leave_one_out_advantages,
    mirror_descent_objective,
    prune_ffn,
    regularised_rewards,
    soft_top_k,
)
from golden_models.layers import swiglu


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)))


@pytest.mark.parametrize("k", [1, 7, 31.5])
@pytest.mark.parametrize("temperature", [0.01, 1.0])
def test_a_soft_mask_sums_to_k_in_the_order_of_scores(k: float, temperature: float) -> None:
    scores = random(32)
    mask = soft_top_k(scores, k, temperature)
    assert mask.sum().item() == pytest.approx(k)
    assert ((mask >= 0) & (mask <= 1)).all()
    assert mask[scores.argsort()].equal(mask.sort().values)


def test_a_cold_soft_mask_is_the_hard_one() -> None:
    scores = random(32)
    hard = torch.zeros(32).scatter(0, scores.topk(7).indices, 1.0).double()
    torch.testing.assert_close(soft_top_k(scores, 7, 1e-4), hard)


@pytest.mark.parametrize(
    ("k", "temperature", "error"),
    [
        (0, 1.0, "k must lie between 0 and 32, not 0"),
        (32, 1.0, "k must lie between 0 and 32, not 32"),
        (3, 0.0, "temperature must be positive, not 0.0"),
    ],
)
def test_masks_without_a_solution_are_refused(k: float, temperature: float, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        soft_top_k(random(32), k, temperature)


def test_pruning_keeps_the_best_neurons_in_their_order() -> None:
    gate, up, down = random(12, 8), random(12, 8) + 1, random(8, 12)
    scores = torch.tensor([5.0, 1, 5, 0, 5, 2, 3, 0, 0, 0, 0, 0])
    pruned = prune_ffn(gate, up, down, scores, 3)
    assert [part.tolist() for part in pruned] == [
        part.tolist() for part in (gate[[0, 2, 4]], up[[0, 2, 4]], down[:, [0, 2, 4]])
    ]


def test_pruning_neurons_that_do_nothing_changes_nothing() -> None:
    gate, up, down, x = random(12, 8), random(12, 8) + 1, random(8, 12).clone(), random(3, 8)
    down[:, 5:] = 0
    scores = down.square().sum(dim=0)
    torch.testing.assert_close(swiglu(x, *prune_ffn(gate, up, down, scores, 5)), swiglu(x, gate, up, down))


def test_the_committee_takes_the_first_of_the_best() -> None:
    rewards = torch.tensor([[1.0, 4.0, 2.0], [3.0, 4.0, 1.0], [3.0, 0.0, 9.0]])
    assert committee_best(rewards).tolist() == [1, 0, 2]


def test_an_advantage_is_a_reward_less_the_mean_of_the_others() -> None:
    rewards = random(4, 5)
    expected = [[row[i].item() - (row.sum() - row[i]).item() / 4 for i in range(5)] for row in rewards]
    torch.testing.assert_close(leave_one_out_advantages(rewards), torch.tensor(expected))


def test_advantages_sum_to_zero_and_forget_a_common_offset() -> None:
    rewards = random(4, 5).double()
    advantages = leave_one_out_advantages(rewards)
    torch.testing.assert_close(advantages.sum(dim=1), torch.zeros(4).double())
    torch.testing.assert_close(leave_one_out_advantages(rewards + 7), advantages)


def test_one_response_has_no_others() -> None:
    with pytest.raises(ValueError, match="leave-one-out needs two responses a prompt or more, not 1"):
        leave_one_out_advantages(random(4, 1))


def test_the_gradient_at_the_previous_policy_is_that_of_reinforce() -> None:
    logits, actions, advantages = random(6, 4).requires_grad_(), torch.tensor([0, 1, 2, 3, 1, 0]), random(6)
    log_policy = logits.log_softmax(dim=-1)[torch.arange(6), actions]
    surrogate = mirror_descent_objective(log_policy, log_policy.detach(), advantages, torch.tensor(0.0), 0.1)
    (found,) = torch.autograd.grad(surrogate, logits, retain_graph=True)
    (expected,) = torch.autograd.grad((log_policy * advantages).mean(), logits)
    torch.testing.assert_close(found, expected)


def test_divergence_is_charged() -> None:
    zero = torch.zeros(3)
    assert mirror_descent_objective(zero, zero, torch.ones(3), torch.tensor(2.0), 0.25).item() == 0.5
    assert regularised_rewards(torch.ones(2), torch.tensor([0.5, 0.0]), zero[:2], 2.0).tolist() == [0.0, 1.0]


def test_distillation_mixes_label_and_teacher() -> None:
    target = distillation_target(torch.tensor([0, 2]), torch.tensor([[0.0, 1.0, 0.5], [0.0, 1.0, 2.0]]))
    torch.testing.assert_close(target, torch.tensor([[0.1, 0.9, 0.0], [0.0, 0.0, 1.0]]))
