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

AT_ONCE = 1 << 22
"""Weights whose errors are formed at once: bounds the memory for copies."""

CHUNK_TOKENS = 4096
"""Tokens whose products are summed in their own precision before they are added in float64."""


@dataclass(frozen=True)
class Covariance:
    """Second moments of a layer's input over tokens.

    Parameters
    ----------
    capped
        float32 [columns, columns], mean of ``x xᵀ`` with every token's ``|x|²`` limited to ``CAP`` times the median.
    loud
        What the limit takes from loud tokens, float64 [at most columns, columns]: ``capped + loudᵀ loud`` is the mean
        of ``x xᵀ`` as it is. A row is a loud token, of which there are few; where they are many, rows stand for all.
    """

    capped: Tensor
    loud: Tensor

    @property
    def plain(self) -> Tensor:
        """Mean of ``x xᵀ`` with all tokens as they are: float64 [columns, columns], formed at every reading."""
        return self.capped.double() + self.loud.T @ self.loud

    @property
    def powers(self) -> tuple[Tensor, Tensor]:
        """Mean squares of the inputs, plain and with loud tokens capped: float64 [columns] each."""
        capped = self.capped.diagonal().double()
        return capped + self.loud.square().sum(dim=0), capped

    def output_errors(self, weights: Tensor, found: Tensor) -> tuple[float, float]:
        """``‖(W − Ŵ) X‖ / ‖W X‖`` over plain and over capped tokens; weights [rows, columns], any float dtype."""
        largest = (
            max(abs(float(bound)) for bound in weights.aminmax()) or 1.0
        )  # float32 holds squares of what is of ordinary size
        parts = (torch.split(tensor, max(1, AT_ONCE // weights.shape[1])) for tensor in (weights, found))
        costs = [
            self._costs((part.double() - part_found) / largest, part.double() / largest)
            for part, part_found in zip(*parts, strict=True)
        ]
        error, whole = torch.stack(costs).sum(dim=0)
        plain, capped = (error / whole.clamp(min=1e-300)).clamp(min=0).sqrt().tolist()
        return plain, capped

    def _costs(self, *matrices: Tensor) -> Tensor:
        """Squared outputs of float64 matrices, each over plain and over capped tokens: float64 [matrices, 2]."""
        costs = []
        for matrix in matrices:
            capped = ((matrix.float() @ self.capped) * matrix).sum()
            costs.append(torch.stack([capped + (matrix @ self.loud.T).square().sum(), capped]))
        return torch.stack(costs)


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
    chunks = torch.split(inputs, CHUNK_TOKENS)
    loudness = torch.cat([chunk.float().square().sum(dim=1) for chunk in chunks])
    gain = (CAP * loudness.median() / loudness.clamp(min=1e-30)).clamp(max=1.0)
    capped = torch.zeros(inputs.shape[1], inputs.shape[1], dtype=torch.float64)
    for chunk, part in zip(chunks, torch.split(gain, CHUNK_TOKENS), strict=True):
        kept = chunk.float() * part.sqrt()[:, None]
        capped += kept.T @ kept
    lost = ((1 - gain[gain < 1]).double() / len(inputs)).sqrt()
    loud = inputs[gain < 1].double() * lost[:, None]
    if len(loud) > inputs.shape[1]:
        loud = torch.linalg.qr(loud, mode="r").R  # of the same products, and no larger than a matrix
    return Covariance(capped.div_(len(inputs)).float(), loud)


def input_statistics(inputs: Tensor, all_experts: bool = False) -> InputStatistics:
    """Statistics of tokens, [..., columns]; the last quarter is held out."""
    fitting, held_out = parted(inputs)
    return InputStatistics(covariance(fitting), covariance(held_out), all_experts)


def parted(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens, [..., columns], that fit the weights and those that are held out: [tokens, columns] each."""
    tokens = inputs.flatten(0, -2)
    fitting = len(tokens) - int(HELD_OUT * len(tokens))
    return tokens[:fitting], tokens[fitting:]
