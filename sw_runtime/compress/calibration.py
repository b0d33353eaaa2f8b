"""How strongly each input of a linear layer is excited by text: the weight of its errors.

An error in column j of a weight matrix costs its square times the mean of x_j² over tokens: the
diagonal of the layer's input covariance.
"""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

CAP = 10.0
"""A token louder than this many times the median of its window counts as this loud: a few tokens,
the first above all, are a thousand times louder than the rest and would drown them."""

DAMPING = 0.01
"""Share of the mean power added to every input, so that none counts for nothing."""

CONTRAST = 64.0
"""Largest importance in a block over the block's median. Beyond it nothing is gained, as the
loudest input's weight is met to its nearest integer anyway, but the search prunes badly."""


@dataclass(frozen=True)
class InputPower:
    """Mean square of every input of one linear layer.

    Parameters
    ----------
    plain
        float64 [columns], mean of x_j² over tokens.
    capped
        The same with every token's |x|² limited to ``CAP`` times the median of its window.
    """

    plain: Tensor
    capped: Tensor

    def importance(self, block_size: int) -> Tensor:
        """What the encoder weighs the columns' errors by: float64 [columns]."""
        damped = self.capped + DAMPING * self.capped.mean()
        blocks = torch.tensor_split(damped, list(range(block_size, len(damped), block_size)))
        return torch.cat([block.clamp(max=CONTRAST * block.median()) for block in blocks])

    @property
    def digest(self) -> str:
        """Layers of one digest share their input: query, key and value; gate and up."""
        return hashlib.sha256(torch.stack([self.plain, self.capped]).numpy().tobytes()).hexdigest()


class _Meter:
    """Forward hook that adds up one layer's input powers."""

    def __init__(self, columns: int) -> None:
        self.plain = torch.zeros(columns, dtype=torch.float64)
        self.capped = torch.zeros(columns, dtype=torch.float64)
        self.tokens = 0

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        squares = inputs[0].detach().flatten(0, -2).double().square()
        loudness = squares.sum(dim=1)
        limit = CAP * loudness.median()
        gain = (limit / loudness.clamp(min=1e-300)).clamp(max=1.0)
        self.plain += squares.sum(dim=0)
        self.capped += gain @ squares
        self.tokens += len(squares)


def input_powers(model: nn.Module, windows: Tensor) -> dict[str, InputPower]:
    """Run a model over token windows and measure the inputs of all its linear layers.

    Parameters
    ----------
    model
        A transformers model, on the CPU.
    windows
        Token ids, int64 [windows, length]; one window runs at a time.

    Returns
    -------
    The powers by module name, for every ``nn.Linear`` that ran.
    """
    meters = {
        name: _Meter(module.in_features) for name, module in model.named_modules() if isinstance(module, nn.Linear)
    }
    hooks = [model.get_submodule(name).register_forward_hook(meter) for name, meter in meters.items()]
    try:
        with torch.inference_mode():
            for window in tqdm(windows, desc="calibration", unit="window"):
                model(input_ids=window[None], use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return {
        name: InputPower(meter.plain / meter.tokens, meter.capped / meter.tokens)
        for name, meter in meters.items()
        if meter.tokens
    }


def token_windows(text: str, tokenizer: Any, windows: int = 16, length: int = 512) -> Tensor:
    """Token windows spread evenly over a text: int64 [windows, length].

    Raises
    ------
    ValueError
        If the text has fewer than ``length`` tokens. A shorter text than asked for gives fewer windows.
    """
    tokens = torch.tensor(tokenizer(text, verbose=False)["input_ids"])
    if len(tokens) < length:
        raise ValueError(f"the calibration text has {len(tokens)} tokens; give one of at least {length}")
    windows = min(windows, len(tokens) // length)
    starts = torch.linspace(0, len(tokens) - length, windows).long()
    return torch.stack([tokens[start : start + length] for start in starts.tolist()])


def packaged_file(name: str) -> Path:
    """A text corpus among the test data of the package gensim, which is not imported.

    Raises
    ------
    FileNotFoundError
        If the package is not installed, naming the command that does it.
    """
    spec = importlib.util.find_spec("gensim")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "test" / "test_data" / name
        if path.exists():
            return path
    raise FileNotFoundError(
        "the packaged calibration text comes with gensim: pip install --no-deps gensim, or give a text file of your own"
    )


def packaged_text() -> str:
    """300 news items.

    Raises
    ------
    FileNotFoundError
        As ``packaged_file``.
    """
    return packaged_file("lee_background.cor").read_text(encoding="utf-8", errors="replace")
