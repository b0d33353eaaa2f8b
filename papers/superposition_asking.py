"""How a question is put to a model with its passages: the parts of the prompt, what is read once, and the answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from golden_models.decoder import Decoder
from golden_models.superposition.prompting import (
    Paths,
    Segment,
    after,
    counted,
    read,
    read_documents,
    read_preamble,
)
from papers.questions import Asked

ANSWER_TOKENS = 20
"""The most that are generated."""


class Prompts:
    """Token ids of a prompt's parts.

    Parameters
    ----------
    tokenizer
        Of the model.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.preamble = self.tokens("<|im_start|>user\nAnswer the question with a few words of these passages.")
        self.task = self.tokens("<|im_end|>\n<|im_start|>assistant\n")

    def tokens(self, text: str) -> Tensor:
        """int64 [m]."""
        return torch.tensor(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def document(self, text: str) -> Tensor:
        """int64 [m]."""
        return self.tokens(f"\n\n{text}")

    def question(self, text: str) -> Tensor:
        """int64 [m]."""
        return self.tokens(f"\n\nQuestion: {text}")


def go_on(decoder: Decoder, seen: Sequence[Segment], bias: Tensor, tokens: Tensor, start: float) -> Segment:
    """Read tokens in a row after others, from a position on."""
    return read(decoder, tokens, counted(start, tokens), seen, bias)


def in_a_row(decoder: Decoder, seen: Sequence[Segment], tokens: Tensor) -> Segment:
    """Read tokens as an ordinary prompt goes on."""
    nothing = torch.zeros(sum(len(segment.tokens) for segment in seen))
    return go_on(decoder, seen, nothing, tokens, after(seen[-1].positions))


def respond(decoder: Decoder, seen: Sequence[Segment], bias: Tensor, task: Tensor, stop: int) -> Tensor:
    """The likeliest answer, a token at a time: int64 [tokens].

    Parameters
    ----------
    seen, bias
        Everything before the task, and what is added to attention on it, [S].
    task
        int64 [m]; stands after the furthest of ``seen``.
    stop
        The token that ends the answer.
    """
    start = max(after(segment.positions) for segment in seen)
    segment, read_before = go_on(decoder, seen, bias, task, start), list(seen)
    answer: list[int] = []
    while len(answer) < ANSWER_TOKENS and (token := int(segment.logits[-1].argmax())) != stop:
        answer.append(token)
        read_before.append(segment)
        bias = torch.cat([bias, torch.zeros(len(segment.tokens))])
        segment = go_on(decoder, read_before, bias, torch.tensor([token]), after(segment.positions))
    return torch.tensor(answer, dtype=torch.int64)


@dataclass(frozen=True)
class Library:
    """Documents, read once for all questions: side by side, and as one long prompt.

    Parameters
    ----------
    texts
        The documents.
    tokens
        The same, int64 [m] each.
    preamble, documents, serial
        What was read.
    """

    texts: list[str]
    tokens: list[Tensor]
    preamble: Segment
    documents: list[Segment]
    serial: Segment

    @classmethod
    def of(cls, decoder: Decoder, prompts: Prompts, texts: list[str]) -> "Library":
        """Read them."""
        tokens = [prompts.document(text) for text in texts]
        preamble = read_preamble(decoder, prompts.preamble)
        serial = in_a_row(decoder, [preamble], torch.cat(tokens))
        return cls(texts, tokens, preamble, read_documents(decoder, [preamble], tokens), serial)


@dataclass(frozen=True)
class Asking:
    """A question put to a library.

    Parameters
    ----------
    decoder, prompts, library
        Who is asked, in which words, about what.
    question
        Its passage is the library's of that number.
    """

    decoder: Decoder
    prompts: Prompts
    library: Library
    question: Asked

    @property
    def query(self) -> Tensor:
        """int64 [m]."""
        return self.prompts.question(self.question.text)

    def response(self, seen: Sequence[Segment], bias: Tensor) -> str:
        """What the model answers."""
        tokenizer = self.prompts.tokenizer
        text: str = tokenizer.decode(respond(self.decoder, seen, bias, self.prompts.task, tokenizer.eos_token_id))
        return text.strip()


def seen_by_task(paths: Paths, bias: Tensor) -> tuple[list[Segment], Tensor]:
    """What the task sees of paths, and what is added to its attention there: float32 [S].

    Parameters
    ----------
    bias
        float32 [n_d].
    """
    seen, added = list(paths.preamble), [torch.zeros(sum(len(segment.tokens) for segment in paths.preamble))]
    for document, query, value in zip(paths.documents, paths.queries, bias, strict=True):
        seen += [document, query]
        added.append(value.expand(len(document.tokens) + len(query.tokens)))
    return seen, torch.cat(added)
