"""Self-speculation by programs (M2R2, LayerSkip): a draft program guesses tokens, the whole decoder verifies them.

Every token comes from the whole program, over keys and values of the whole program: verifying a position writes all
layers' anew before a later one reads them. So the text is that of plain greedy decoding, whatever the drafts are.
A device answers one token per pass over the weights, so it saves nothing by it; what a round costs is counted in
programs run.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from formats.errors import InputError
from sw_runtime.decoder.image.memory_map import WHOLE

Take = Callable[[int, str], int]
"""Reads a token by the program of a name; returns the likeliest next one."""

DRAFT = "draft"
"""Name of the program that drafts."""


@dataclass(frozen=True)
class Round:
    """Drafts and what became of them.

    Parameters
    ----------
    drafts
        Tokens that the draft program guessed.
    tokens
        Tokens of the text: the drafts that were right, and the one that follows them. The whole program ran as often.
    """

    drafts: list[int]
    tokens: list[int]


def speculation_rounds(
    take: Take, rewind: Callable[[int], None], start: int, last: int, drafts: int
) -> Iterator[Round]:
    """Endless rounds behind a text.

    Parameters
    ----------
    take, rewind
        Of a decoder, which has read all tokens of the text but the last.
    start, last
        Tokens that it has read, and the last token.
    drafts
        Guessed per round, at least one.

    Raises
    ------
    InputError
        If no draft is asked for.
    """
    if drafts < 1:
        raise InputError(f"a round drafts at least one token, not {drafts}")
    while True:
        guessed = [last]
        for _ in range(drafts):
            guessed.append(take(guessed[-1], DRAFT))
        rewind(start)
        tokens: list[int] = []
        for draft in (*guessed[1:], None):
            tokens.append(take((last, *tokens)[-1], WHOLE))
            if tokens[-1] != draft:
                break
        yield Round(guessed[1:], tokens)
        start, last = start + len(tokens), tokens[-1]
