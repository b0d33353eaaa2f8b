"""A model against its original on text: perplexity, KL divergence, agreement."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sw_runtime.progress import progress_bar


@dataclass(frozen=True)
class Estimate:
    """A mean over windows with its standard error."""

    mean: float
    error: float

    @classmethod
    def of(cls, values: Tensor) -> "Estimate":
        """From one value a window, [windows]; of one window the error is unknown, NaN."""
        error = values.std().item() / len(values) ** 0.5 if len(values) > 1 else math.nan
        return cls(values.mean().item(), error)


@dataclass(frozen=True)
class TextQuality:
    """What a model makes of text, beside its original.

    Parameters
    ----------
    perplexity
        exp of the mean loss.
    log_ratio
        Log of perplexity over the original's, a window each.
    divergence
        KL(original ‖ model) of the next token, nats.
    agreement
        Share of places where both find the same token likeliest.
    """

    perplexity: float
    log_ratio: Estimate
    divergence: Estimate
    agreement: Estimate


def log_probabilities(model: Any, window: Tensor) -> Tensor:
    """Of every next token: int64 [length] → float32 [length - 1, vocabulary]."""
    with torch.no_grad():  # some quantisers' tensors do not bear inference mode
        logits: Tensor = model(input_ids=window[None], use_cache=False).logits
        return logits[0, :-1].float().log_softmax(dim=-1)


class Reference:
    """An original's probabilities of every next token, kept: 4 bytes per token and entry of its vocabulary.

    Parameters
    ----------
    model
        The original.
    windows
        Token ids, int64 [windows, length].
    """

    def __init__(self, model: Any, windows: Tensor) -> None:
        self.windows = windows
        self._kept = [
            log_probabilities(model, window) for window in progress_bar(windows, desc="original", unit="window")
        ]

    @property
    def perplexity(self) -> float:
        """The original's own."""
        losses = [_loss(kept, window) for kept, window in zip(self._kept, self.windows, strict=True)]
        return torch.stack(losses).mean().exp().item()

    def compare(self, model: Any, name: str) -> TextQuality:
        """A model on the same windows; ``name`` stands beside the progress bar."""
        rows = []
        for kept, window in zip(self._kept, progress_bar(self.windows, desc=name, unit="window"), strict=True):
            found = log_probabilities(model, window)
            ratio = _loss(found, window) - _loss(kept, window)
            divergence = (kept.exp() * (kept - found)).sum(dim=-1).mean()
            agreement = (kept.argmax(dim=-1) == found.argmax(dim=-1)).float().mean()
            rows.append(torch.stack([_loss(found, window), ratio, divergence, agreement]))
        losses, *others = torch.stack(rows).T
        return TextQuality(losses.mean().exp().item(), *(Estimate.of(values) for values in others))


def _loss(log_probability: Tensor, window: Tensor) -> Tensor:
    """Mean nats per token."""
    return -log_probability.gather(1, window[1:, None]).mean()
