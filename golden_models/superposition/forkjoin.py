"""The graph: who sees whom, where tokens stand, and which paths the task is led along."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from formats.errors import InputError
from golden_models.layers import causal_mask

Placement = Literal["equilibrium", "rounded", "left"]
"""Where documents of unequal length stand: stretched to one length, the same rounded to integers, or aligned left."""


@dataclass(frozen=True)
class SuperpositionParameters:
    """Hyper-parameters.

    Parameters
    ----------
    keep
        Paths that the task sees, k; all of them when None.
    temperature
        τ of the soft bias that prefers likelier paths among those kept; None for the paper's hard pruning alone.
    token_temperature
        τ_tok, by which logits are divided before log-likelihoods are taken.
    document_weight
        λ, by which a document's log-likelihood counts beside its query's.
    placement
        Positions of the documents.

    Raises
    ------
    InputError
        If both ``keep`` and ``temperature`` are None, or a number is not above 0 (λ: is negative).
    """

    keep: int | None = 1
    temperature: float | None = 0.01
    token_temperature: float = 1.0
    document_weight: float = 1.0
    placement: Placement = "equilibrium"

    def __post_init__(self) -> None:
        if self.keep is None and self.temperature is None:
            raise InputError("give keep, temperature or both: with neither all paths weigh the same")
        if self.keep is not None and self.keep < 1:
            raise InputError(f"keep must be at least 1 path, not {self.keep}")
        if self.temperature is not None and self.temperature <= 0:
            raise InputError(f"temperature must be above 0, not {self.temperature}")
        if self.token_temperature <= 0 or self.document_weight < 0:
            raise InputError(
                f"token_temperature must be above 0 and document_weight at least 0, "
                f"not {self.token_temperature} and {self.document_weight}"
            )
        if self.placement not in ("equilibrium", "rounded", "left"):
            raise InputError(f"placement must be 'equilibrium', 'rounded' or 'left', not {self.placement!r}")


def forkjoin_mask(preamble: int, documents: Sequence[int], query: int, task: int) -> Tensor:
    """Who sees whom in the serial order p, d_1, q_1, d_2, q_2, …, t (§3.1): bool [L, L] from lengths in tokens.

    A token sees the segments from which its own descends, and in its own those before it and itself.
    """
    lengths: list[int] = [preamble]
    parents: list[list[int]] = [[]]
    for document in documents:
        lengths += [document, query]
        parents += [[0], [len(parents)]]
    lengths.append(task)
    parents.append(list(range(2, len(parents), 2)))
    sees = torch.eye(len(lengths), dtype=torch.bool)
    for segment, above in enumerate(parents):  # parents come first, so theirs are complete
        for parent in above:
            sees[segment] |= sees[parent]
    repeats = torch.tensor(lengths)
    places = torch.arange(int(repeats.sum()))
    return sees.repeat_interleave(repeats, dim=0).repeat_interleave(repeats, dim=1) & causal_mask(places, places)


def path_positions(
    start: float, documents: Sequence[int], placement: Placement = "equilibrium"
) -> tuple[list[Tensor], float]:
    """Positions of each document's tokens, and where the query starts on every path (§3.2).

    Documents are stretched or squeezed to the harmonic mean of their lengths, S = n_d / Σ 1/|d_i|.

    Parameters
    ----------
    start
        The first position after the preamble.
    documents
        Lengths in tokens.

    Returns
    -------
    float64 [m] a document of m tokens, and the query's first position; it goes on by 1.
    """
    steps = [torch.arange(length, dtype=torch.float64) for length in documents]
    if placement == "left":
        return [start + step for step in steps], start + max(documents)
    stretched = len(documents) / sum(1 / length for length in documents)
    placed = [start + step * (stretched / len(step)) for step in steps]
    if placement == "rounded":
        return [positions.round() for positions in placed], float(round(start + stretched))
    return placed, start + stretched


def keep_paths(weights: Tensor, keep: int | None) -> Tensor:
    """Mark the k largest weights, the first among equals: float or integer [n_d] → bool [n_d]."""
    kept = torch.zeros(len(weights), dtype=torch.bool)
    kept[weights.argsort(descending=True, stable=True)[:keep]] = True
    return kept


def path_bias(weights: Tensor, kept: Tensor, temperature: float | None) -> Tensor:
    """What the task adds to its attention scores on each path (Algorithm 3, as coded).

    ``(0 if kept else least float32) + log softmax(w / τ)``, shifted so that the best path's is 0. The softmax is
    taken before the logarithm, as in the code: at τ = 0.01 it is 0, and the bias -∞, from 1.04 nat below the best.

    Parameters
    ----------
    weights, kept
        [n_d], bool [n_d].
    temperature
        τ; None adds nothing to kept paths.

    Returns
    -------
    float32 [n_d], at most 0.
    """
    bias = torch.where(kept, 0.0, torch.finfo(torch.float32).min)
    if temperature is not None:
        bias = bias + (weights.float() / temperature).softmax(dim=0).log()
    return bias - bias.max()
