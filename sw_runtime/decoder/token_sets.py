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

TakeRow = Callable[[slice, int, str, int], Answer]
"""Reads some of the prompt's tokens together by the program of a name, the first at a row of the set's caches, and
gives so many answers: tokens, answers, program, row."""


def read_prompt(take: TakeRow[Answer], kept: Sequence[bool], batch: int = 1) -> Answer:
    """Read a prompt; returns what its last token answers. The next token's row is how many were kept.

    Neighbours that are both kept, or both left out, are read together.

    Parameters
    ----------
    take
        Of a decoder, which has read nothing yet.
    kept
        Whether each token is of the set.
    batch
        Tokens that are read together, at most.

    Raises
    ------
    InputError
        If the last token is not of the set.
    """
    if not len(kept) or not kept[-1]:
        raise InputError("the last token of a prompt predicts the next one, so it must be of the set")
    start, row = 0, 0
    while True:
        keeps = kept[start]
        end = next((at for at in range(start, len(kept)) if kept[at] != keeps), len(kept))
        end = min(end, start + batch)
        answer = take(slice(start, end), int(end == len(kept)), SET if keeps else LEFT_OUT, row)
        if end == len(kept):
            return answer
        row += (end - start) * keeps
        start = end
