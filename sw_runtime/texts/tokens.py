"""A text as tokens, and windows spread over them."""

from typing import Any

import torch
from torch import Tensor

from formats.errors import InputError


def tokenize(text: str, tokenizer: Any) -> Tensor:
    """Ids of a text's tokens, however many: int64 [tokens]."""
    return torch.tensor(tokenizer(text, verbose=False)["input_ids"])


def beginning(tokenizer: Any | None) -> Tensor:
    """What a tokenizer puts before every text by itself (BOS): int64 [0 or 1]; nothing where there is no tokenizer."""
    bos = getattr(tokenizer, "bos_token_id", None)
    ids = [] if tokenizer is None or bos is None else tokenizer("")["input_ids"][:1]
    return torch.tensor([token for token in ids if token == bos], dtype=torch.int64)


def text_windows(text: str, tokenizer: Any, windows: int, length: int) -> Tensor:
    """Windows spread evenly over a text, each begun as the tokenizer begins a text: int64 [windows, length].

    Raises
    ------
    InputError
        As ``spread_windows``.
    """
    begun = beginning(tokenizer)
    return spread_windows(tokenize(text, tokenizer)[len(begun) :], windows, length, begun)


def spread_windows(tokens: Tensor, windows: int, length: int, begun: Tensor | None = None) -> Tensor:
    """Windows spread evenly over tokens, from the first to the last: int64 [tokens] → int64 [windows, length].

    Parameters
    ----------
    tokens
        Of a text, int64.
    windows, length
        Windows, and tokens each, those of ``begun`` included.
    begun
        What every window begins with, int64; nothing when not given.

    Raises
    ------
    InputError
        If there are too few tokens for windows that do not overlap.
    """
    begun = tokens[:0] if begun is None else begun
    part = length - len(begun)
    if len(tokens) < windows * part:
        raise InputError(
            f"the text has {len(tokens)} tokens, and {windows} windows of {length} need {windows * part}; "
            "give a longer text or fewer windows"
        )
    starts = torch.linspace(0, len(tokens) - part, windows).long()
    return torch.stack([torch.cat([begun, tokens[start : start + part]]) for start in starts.tolist()])
