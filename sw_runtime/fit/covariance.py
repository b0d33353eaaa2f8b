"""How the inputs of linear layers vary together over text: what an error in the weights costs.

Errors ``E`` of a weight matrix cost ``tr(E H Eᵀ)`` at the layer's output, ``H`` being the mean of
``x xᵀ`` over tokens.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

CAP = 10.0
"""A token louder than this many times the median counts as this loud: a few tokens, the first above
all, are a thousand times louder than the rest and would drown them."""

HELD_OUT = 0.25
"""Share of the tokens, the last ones, that judge a compressed matrix and take no part in making it."""

ROWS_AT_ONCE = 4096
"""Rows of weights whose errors are formed at once: bounds the memory for float64 copies."""

CHUNK_TOKENS = 4096
"""Tokens whose products are summed in their own precision before they are added in float64."""


@dataclass(frozen=True)
class Covariance:
    """Second moments of a layer's input over tokens.

    Parameters
    ----------
    plain
        float64 [columns, columns], mean of ``x xᵀ``.
    capped
        The same with every token's ``|x|²`` limited to ``CAP`` times the median.
    """

    plain: Tensor
    capped: Tensor

    def output_errors(self, weights: Tensor, found: Tensor) -> tuple[float, float]:
        """``‖(W − Ŵ) X‖ / ‖W X‖`` over plain and over capped tokens; weights [rows, columns], any float dtype."""
        parts = zip(torch.split(weights, ROWS_AT_ONCE), torch.split(found, ROWS_AT_ONCE), strict=True)
        costs = torch.stack([self._costs(part.double(), part_found.double()) for part, part_found in parts])
        error, whole = costs.sum(dim=0)
        plain, capped = (error / whole.clamp(min=1e-300)).clamp(min=0).sqrt().tolist()
        return plain, capped

    def _costs(self, weights: Tensor, found: Tensor) -> Tensor:
        """Squared output errors and squared outputs, each over plain and over capped tokens: float64 [2, 2]."""
        return torch.stack(
            [
                torch.stack([((matrix @ moments) * matrix).sum() for moments in (self.plain, self.capped)])
                for matrix in (weights - found, weights)
            ]
        )


@dataclass(frozen=True)
class InputStatistics:
    """What the tokens of a calibration text say of one input: those that fit the weights, and those that judge them.

    ``all_experts`` says that the tokens are those of a mixture's experts together, as one of them saw too few.
    """

    calibration: Covariance
    held_out: Covariance
    all_experts: bool = False


def covariance(inputs: Tensor) -> Covariance:
    """Second moments of tokens, [tokens, columns] of any float dtype."""
    loudness = inputs.float().square().sum(dim=1)
    gain = (CAP * loudness.median() / loudness.clamp(min=1e-30)).clamp(max=1.0)
    capped = _moments(inputs.float() * gain.sqrt()[:, None])
    lost = _moments(inputs[gain < 1].double() * (1 - gain[gain < 1]).double().sqrt()[:, None])
    return Covariance((capped + lost) / len(inputs), capped / len(inputs))


def input_statistics(inputs: Tensor, all_experts: bool = False) -> InputStatistics:
    """Statistics of tokens, [..., columns]; the last quarter is held out."""
    fitting, held_out = parted(inputs)
    return InputStatistics(covariance(fitting), covariance(held_out), all_experts)


def parted(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens, [..., columns], that fit the weights and those that are held out: [tokens, columns] each."""
    tokens = inputs.flatten(0, -2)
    fitting = len(tokens) - int(HELD_OUT * len(tokens))
    return tokens[:fitting], tokens[fitting:]


def _moments(inputs: Tensor) -> Tensor:
    total = torch.zeros(inputs.shape[1], inputs.shape[1], dtype=torch.float64)
    for chunk in torch.split(inputs, CHUNK_TOKENS):
        total += chunk.T @ chunk
    return total
