"""A prompt of which later layers see a set of tokens (LazyLLM, arXiv 2407.14057, with one pruning), by programs.

Tokens of the set run ``compiler.set_program``, the others ``compiler.draft_program``: the first layers, and no head.
Who chooses the set must know it before the prompt is read, since a device hands over no attention.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from formats.errors import InputError

SET, LEFT_OUT = "set", "left out"
"""Names of the programs of a token of the set, and of one that is not."""

Answer = TypeVar("Answer")

TakeRow = Callable[[int, int, str, int], Answer]
"""Reads the prompt's token of a number by the program of a name, at a row of the set's caches, and gives so many
answers: number, answers, program, row."""


def read_prompt(take: TakeRow[Answer], kept: Sequence[bool]) -> Answer:
    """Read a prompt; returns what its last token answers. The next token's row is how many were kept.

    Parameters
    ----------
    take
        Of a decoder, which has read nothing yet.
    kept
        Whether each token is of the set.

    Raises
    ------
    InputError
        If the last token is not of the set.
    """
    if not len(kept) or not kept[-1]:
        raise InputError("the last token of a prompt predicts the next one, so it must be of the set")
    row = 0
    for number, keeps in enumerate(kept[:-1]):
        take(number, 0, SET if keeps else LEFT_OUT, row)
        row += keeps
    return take(len(kept) - 1, 1, SET, row)
