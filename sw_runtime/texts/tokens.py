"""A text as tokens, and windows spread over them."""

from typing import Any

import torch
from torch import Tensor

from formats.errors import InputError


def tokenize(text: str, tokenizer: Any) -> Tensor:
    """Ids of a text's tokens, however many: int64 [tokens]."""
    return torch.tensor(tokenizer(text, verbose=False)["input_ids"])


def spread_windows(tokens: Tensor, windows: int, length: int) -> Tensor:
    """Windows spread evenly over tokens, from the first to the last: int64 [tokens] → int64 [windows, length].

    Raises
    ------
    InputError
        If there are too few tokens for windows that do not overlap.
    """
    if len(tokens) < windows * length:
        raise InputError(
            f"the text has {len(tokens)} tokens, and {windows} windows of {length} need {windows * length}; "
            "give a longer text or fewer windows"
        )
    starts = torch.linspace(0, len(tokens) - length, windows).long()
    return torch.stack([tokens[start : start + length] for start in starts.tolist()])
