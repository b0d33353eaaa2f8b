"""The report's training methods as small pure functions: pruning, committee, policy gradient, distillation."""

import torch
from torch import Tensor

from formats.errors import InputError

BISECTIONS = 100


def soft_top_k(scores: Tensor, k: float, temperature: float) -> Tensor:
    """A mask between 0 and 1 that sums to k and tends to the k largest as the temperature falls: [n] → [n].

    σ((s − μ)/t) with the one μ that makes the sum k. The report names Soft-Top-K masks for pruning FFN
    widths; this form is ours.

    Raises
    ------
    InputError
        If k is not between 0 and n, or the temperature not positive.
    """
    n = scores.shape[0]
    if not 0 < k < n:
        raise InputError(f"k must lie between 0 and {n}, not {k}")
    if temperature <= 0:
        raise InputError(f"temperature must be positive, not {temperature}")
    scores = scores.double()
    low, high = scores.min() - 50 * temperature, scores.max() + 50 * temperature
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        too_many = torch.sigmoid((scores - middle) / temperature).sum() > k
        low, high = torch.where(too_many, middle, low), torch.where(too_many, high, middle)
    return torch.sigmoid((scores - (low + high) / 2) / temperature)


def prune_ffn(gate: Tensor, up: Tensor, down: Tensor, scores: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Keep the ``width`` neurons of the highest scores, in their order: gate, up [H, D], down [D, H]; ties by index."""
    kept = torch.sort(scores, descending=True, stable=True).indices[:width].sort().values
    return gate[kept], up[kept], down[:, kept]


def committee_best(rewards: Tensor) -> Tensor:
    """iTeC: whose response the reward model prefers for each prompt, the first of equals.

    Rewards [models, prompts] → int64 [prompts].
    """
    return torch.sort(rewards, dim=0, descending=True, stable=True).indices[0]


def leave_one_out_advantages(rewards: Tensor) -> Tensor:
    """MDLOO: Â_i = R_i − mean of the other responses' R_j (structure second-hand): [..., K] → [..., K].

    Raises
    ------
    InputError
        If there is no other response.
    """
    count = rewards.shape[-1]
    if count < 2:
        raise InputError(f"leave-one-out needs two responses a prompt or more, not {count}")
    others = (rewards.sum(dim=-1, keepdim=True) - rewards) / (count - 1)
    return rewards - others


def regularised_rewards(rewards: Tensor, log_policy: Tensor, log_reference: Tensor, beta: float) -> Tensor:
    """R = r − β·log(π/π_ref), all [..., K] (unverified)."""
    return rewards - beta * (log_policy - log_reference)


def mirror_descent_objective(
    log_policy: Tensor, log_previous: Tensor, advantages: Tensor, divergence: Tensor, gamma: float
) -> Tensor:
    """E[(π_θ/π_k)·Â] − γ·KL(π_θ‖π_k), to be maximised: a number (unverified).

    The surrogate is ratio times advantage; times the log-probability as well, as one account has it, is wrong.
    """
    ratio = (log_policy - log_previous).exp()
    return (ratio * advantages).mean() - gamma * divergence


def distillation_target(labels: Tensor, teacher_logits: Tensor) -> Tensor:
    """0.1·label + 0.9·teacher's most likely token (second-hand): int64 [T], [T, V] → [T, V]."""
    vocabulary = teacher_logits.shape[-1]
    label = torch.nn.functional.one_hot(labels, vocabulary)
    teacher = torch.nn.functional.one_hot(teacher_logits.argmax(dim=-1), vocabulary)
    return 0.1 * label + 0.9 * teacher
