"""Tokens to text while they are made: what has been said is never taken back."""

from typing import Any

UNFINISHED = "\ufffd"
"""What a tokenizer makes of a character of which bytes are still to come."""


class Text:
    """The text of an answer, in pieces.

    Parameters
    ----------
    tokenizer
        A transformers tokenizer.
    stops
        Texts that end the answer, and are not part of it.
    """

    def __init__(self, tokenizer: Any, stops: list[str]) -> None:
        self.tokens: list[int] = []
        self.stopped = False
        self._tokenizer, self._stops = tokenizer, stops
        self._text, self._said = "", 0

    def add(self, token: int) -> str:
        """What is certain with one token more: no half character, and nothing that may become a stop."""
        self.tokens.append(token)
        self._text = self._tokenizer.decode(self.tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        ends = [place for stop in self._stops if (place := self._text.find(stop)) >= 0]
        if ends:
            self.stopped, self._text = True, self._text[: min(ends)]
            return self.rest()
        return self._say(self._certain(self._text.rstrip(UNFINISHED)))

    def rest(self) -> str:
        """What was held back, once no token follows."""
        return self._say(len(self._text))

    def _certain(self, text: str) -> int:
        """Characters before the longest end that a stop begins with."""
        longest = max(map(len, self._stops), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stops):
                return len(text) - length
        return len(text)

    def _say(self, end: int) -> str:
        piece = self._text[self._said : end]
        self._said = max(self._said, end)
        return piece
