"""A prompt that asks about passages of Wikipedia: three examples, the passages, the question."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from papers.questions import Asked

EXAMPLES = 3
"""Questions with their passages and answers that stand in front."""

ANSWER_TOKENS = 10
"""The most that are generated; the answers that are wanted are names."""


class Prompts:
    """Token ids of a prompt's parts.

    Parameters
    ----------
    tokenizer
        Of the model.
    passages, asked
        The examples: texts, and a question on each.
    """

    def __init__(self, tokenizer: Any, passages: Sequence[str], asked: Sequence[Asked]) -> None:
        self.tokenizer = tokenizer
        examples = [
            f"\n\nPassage: {passages[one.passage]}\n\nQuestion: {one.text}\nAnswer: {one.answer}" for one in asked
        ]
        self.preamble = self.tokens("Answer each question with a few words of the passages." + "".join(examples))
        self.task = self.tokens("\nAnswer:")

    def tokens(self, text: str) -> Tensor:
        """int64 [m]."""
        return torch.tensor(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def document(self, text: str) -> Tensor:
        """int64 [m]."""
        return self.tokens(f"\n\nPassage: {text}")

    def question(self, text: str) -> Tensor:
        """int64 [m]."""
        return self.tokens(f"\n\nQuestion: {text}")

    def whole(self, passages: Sequence[str], question: str) -> Tensor:
        """All parts in a row: int64 [T]."""
        return torch.cat([self.preamble, *map(self.document, passages), self.question(question), self.task])

    def ends(self, token: int) -> bool:
        """Whether an answer is over with a token: the end of its line or of the text."""
        return token == self.tokenizer.eos_token_id or "\n" in self.tokenizer.decode([token])

    def text(self, tokens: Sequence[int]) -> str:
        """An answer as text."""
        decoded: str = self.tokenizer.decode(tokens)
        return decoded.strip()
