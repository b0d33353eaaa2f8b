"""Text that shows which inputs of a model matter, as windows of tokens."""

from typing import Any

import torch
from torch import Tensor

from formats.errors import InputError
from formats.plurals import number_of
from sw_runtime.texts.tokens import beginning, spread_windows, tokenize

WINDOWS, LENGTH = 32, 512
"""Tokens of a calibration, where the text and the model have as many."""

FEWEST_DIFFERENT = 16
"""Tokens. Spaces, zeros or one letter over and over tell nothing of a model's inputs."""


def longest_window(model: Any) -> int:
    """Tokens of a window: ``LENGTH``, or as many as the model has positions."""
    return min(LENGTH, getattr(model.config, "max_position_embeddings", None) or LENGTH)


def token_windows(
    text: str, tokenizer: Any, windows: int = WINDOWS, length: int = LENGTH, name: str = "the calibration text"
) -> Tensor:
    """Windows spread evenly over a text, each begun as the tokenizer begins a text: int64 [windows, length].

    Every fourth comes last, so that the windows' last quarter, which judges what the others made, is
    spread over the text too.

    Parameters
    ----------
    name
        What an error calls the text.

    Raises
    ------
    InputError
        If the text has fewer than four windows' tokens, or hardly any different ones. A shorter text than asked for
        gives fewer windows.
    """
    begun = beginning(tokenizer)
    tokens, part = tokenize(text, tokenizer)[len(begun) :], length - len(begun)
    if len(tokens) < 4 * part:
        raise InputError(f"{name} has {number_of(len(tokens), 'token')}; give a text of at least {4 * part}")
    different = len(set(tokens.tolist()))
    if different < FEWEST_DIFFERENT:
        few = number_of(different, "different token")
        raise InputError(f"{name} has only {few}; give ordinary text of the kind that the model will read")
    windows = min(windows, len(tokens) // part) // 4 * 4
    fours = spread_windows(tokens, windows, length, begun).view(-1, 4, length)
    return torch.cat([fours[:, :3].flatten(0, 1), fours[:, 3]])
