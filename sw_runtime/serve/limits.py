"""How much a client may ask for."""

from dataclasses import dataclass

from formats.errors import InputError
from formats.plurals import number_of

PROMPT, NEW = 4096, 512
"""Tokens of a prompt and new ones, where nobody says how many and the model has room."""


@dataclass(frozen=True)
class Limits:
    """What one server takes.

    Parameters
    ----------
    prompt
        Tokens of a prompt.
    new
        Tokens that follow it.
    together
        Answers that are written at the same time.
    """

    prompt: int
    new: int
    together: int

    @classmethod
    def within(cls, positions: int | None, prompt: int | None, new: int | None, together: int) -> "Limits":
        """Limits that fit a model.

        Parameters
        ----------
        positions
            Of the model; None where it has no limit.
        prompt, new
            As wanted; None for ``PROMPT`` and ``NEW``, or less where the model has no room for them.
        together
            Answers.

        Raises
        ------
        InputError
            If the model has fewer positions than prompt and new tokens.
        """
        if positions is None:
            return cls(prompt or PROMPT, new or NEW, together)
        new = new or max(1, min(NEW, positions // 2))
        prompt = prompt or max(1, min(PROMPT, positions - new))
        if prompt + new > positions:
            raise InputError(
                f"{number_of(prompt, 'token')} of a prompt and {new} new ones do not fit the "
                f"model's {positions} positions; lower --prompt-tokens or --new-tokens"
            )
        return cls(prompt, new, together)

    def new_tokens(self, prompt: int, asked: int | None) -> int:
        """Tokens that may follow a prompt of so many.

        Raises
        ------
        InputError
            If the prompt is empty or too long, or too many tokens are asked for.
        """
        if not prompt:
            raise InputError("the prompt is empty, and this model's tokenizer begins no text by itself; give a word")
        if prompt > self.prompt:
            raise InputError(
                f"the prompt has {number_of(prompt, 'token')}, and at most {self.prompt} fit; give a shorter one"
            )
        if asked is not None and asked > self.new:
            raise InputError(f"max_tokens is above {self.new}, the most that this server writes; ask for fewer")
        return asked or self.new
