"""A text that a decoder has read."""

from formats.errors import InputError


class Text:
    """Counts the tokens of one text; what a decoder keeps of those behind a rewind is written anew."""

    def __init__(self) -> None:
        self._tokens = 0

    @property
    def tokens(self) -> int:
        """Tokens of the text so far."""
        return self._tokens

    def rewind(self, tokens: int) -> None:
        """Forget all but the first tokens.

        Raises
        ------
        InputError
            If the text has fewer.
        """
        if not 0 <= tokens <= self._tokens:
            raise InputError(f"the text has {self._tokens} tokens, so it cannot be rewound to {tokens}")
        self._tokens = tokens


def check_row(row: int | None, position: int) -> None:
    """Refuse a row in the caches of a set that no token at this position has.

    Raises
    ------
    InputError
        With the rows there are.
    """
    if row is not None and not 0 <= row <= position:
        raise InputError(f"the token at position {position} has row 0 to {position} of a set, not {row}")
