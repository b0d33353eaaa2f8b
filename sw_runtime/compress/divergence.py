"""How far a compressed model is from its original, measured on a little held-out text once the folder is written."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sw_runtime.compress.source import Source
from sw_runtime.evaluate.text import Estimate
from sw_runtime.fit.divergence import mean_divergence
from sw_runtime.fit.layerwise import after_every_stage
from sw_runtime.nn.golden_tokens import load_undecoded

WINDOWS, LENGTH = 8, 128
"""Pieces of held-out text, and tokens of each: all in one batch, so that every layer is decoded once."""


DIVERGENCE = "divergence"
"""What ``report.json`` calls it."""


def measured_divergence(source: Source, folder: Path, windows: Tensor) -> dict[str, Any] | None:
    """Run the original and the compressed model on held-out text.

    Parameters
    ----------
    source
        The original, a language model; weights that are views of files are given back when a layer has run.
    folder
        The compressed folder.
    windows
        What was calibrated on, token ids int64 [windows, length]; the last quarter is held out.

    Returns
    -------
    KL divergence of the next token from the original's, nats: ``mean``, its standard ``error`` over windows (None of
    one window), how many ``windows`` and ``tokens``, and the ``kind`` of figure, "measured". None in the place of all
    where an output is not finite.

    Raises
    ------
    FileNotFoundError, CheckpointError
        If the folder is no complete language model.
    """
    pieces = _pieces(windows[len(windows) - len(windows) // 4 :])
    with after_every_stage(source.model, source.release):
        wanted = _logits(source.model, pieces)
    found = _logits(load_undecoded(folder), pieces)
    pairs = zip(wanted, found, strict=True)
    estimate = Estimate.of(torch.stack([mean_divergence(one, other) for one, other in pairs]))
    if not math.isfinite(estimate.mean):
        return None
    error = estimate.error if len(pieces) > 1 else None
    counted = {"windows": len(pieces), "tokens": pieces.numel()}
    return {"kind": "measured", "mean": estimate.mean, "error": error} | counted


def _pieces(windows: Tensor) -> Tensor:
    """The beginnings of all windows first, then what follows them: int64 [at most WINDOWS, at most LENGTH]."""
    length = min(LENGTH, windows.shape[1])
    return windows.unfold(1, length, length).transpose(0, 1).flatten(0, 1)[:WINDOWS]


def _logits(model: nn.Module, pieces: Tensor) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model(input_ids=pieces, use_cache=False).logits
    return logits
