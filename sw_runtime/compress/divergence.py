"""How far a compressed model is from its original, measured on a little held-out text once the folder is written."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from formats.errors import CheckpointError
from sw_runtime.compress.source import Source
from sw_runtime.evaluate.text import Estimate
from sw_runtime.fit.divergence import mean_divergence
from sw_runtime.fit.layerwise import after_every_stage
from sw_runtime.fit.report import REPORT
from sw_runtime.json_files import read_object
from sw_runtime.nn.golden_tokens import load_undecoded
from sw_runtime.nn.shards import COPY_OR_COMPRESS

WINDOWS, LENGTH = 8, 128
"""Pieces of held-out text, and tokens of each: all in one batch, so that every layer is decoded once."""

DIVERGENCE = "divergence"
"""What ``report.json`` calls it."""


@dataclass(frozen=True)
class Divergence:
    """KL divergence of the next token from the original's, in nats.

    Parameters
    ----------
    kind
        Of figure: "measured".
    mean, error
        Over windows; the standard error is None of one window.
    windows, tokens
        How many it was measured on.
    """

    kind: str
    mean: float
    error: float | None
    windows: int
    tokens: int

    def __str__(self) -> str:
        # a small one is not 0.0000: a reader would take that for no loss at all
        form = ".1e" if 0 < abs(self.mean) < 0.001 else ".4f"
        return f"{self.mean:{form}}" + ("" if self.error is None else f" ± {self.error:{form}}")


def read_divergence(folder: Path) -> Divergence | None:
    """What a folder's report says; None where it was not measured.

    Raises
    ------
    CheckpointError
        If the report is not what ``seedloom compress`` writes.
    """
    path = folder / REPORT
    match read_object(path, COPY_OR_COMPRESS).get(DIVERGENCE) if path.exists() else None:
        case None:
            return None
        case {
            "kind": str(kind),
            "mean": int() | float() as mean,
            "error": int() | float() | None as error,
            "windows": int(windows),
            "tokens": int(tokens),
        }:
            return Divergence(kind, mean, error, windows, tokens)
    raise CheckpointError(f"{path} is damaged (its {DIVERGENCE} is no figure); {COPY_OR_COMPRESS}")


def measured_divergence(source: Source, folder: Path, windows: Tensor) -> Divergence | None:
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
    None where an output is not finite.

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
    return Divergence("measured", estimate.mean, error, len(pieces), pieces.numel())


def _pieces(windows: Tensor) -> Tensor:
    """The beginnings of all windows first, then what follows them: int64 [at most WINDOWS, at most LENGTH]."""
    length = min(LENGTH, windows.shape[1])
    return windows.unfold(1, length, length).transpose(0, 1).flatten(0, 1)[:WINDOWS]


def _logits(model: nn.Module, pieces: Tensor) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model(input_ids=pieces, use_cache=False).logits
    return logits
