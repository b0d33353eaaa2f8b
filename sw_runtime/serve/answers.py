"""Answers in the words of OpenAI's API: whole, and in chunks."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from sw_runtime.serve.writer import Piece


@dataclass(frozen=True)
class Answer:
    """An answer to one request.

    Parameters
    ----------
    model
        Name of the model.
    chat
        Whether it is a message; else text that follows a prompt.
    prompt
        Tokens of the prompt.
    counters
        Whether to tell what the answer has cost so far.
    usage
        Whether a stream ends with the usage.
    """

    model: str
    chat: bool
    prompt: int
    counters: bool
    usage: bool
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, text: str, last: Piece) -> dict[str, Any]:
        """All of it at once."""
        content = {"message": {"role": "assistant", "content": text}} if self.chat else {"text": text}
        return self._body("chat.completion", [self._choice(content, last.finish)], last) | {"usage": self._usage(last)}

    def chunks(self, piece: Piece) -> Iterator[dict[str, Any]]:
        """What a piece adds to a stream; nothing for a token without text of its own, unless counters are told."""
        if piece.text or piece.finish or self.counters:
            content = {"delta": {"role": "assistant", "content": piece.text}} if self.chat else {"text": piece.text}
            yield self._body("chat.completion.chunk", [self._choice(content, piece.finish)], piece)
        if piece.finish and self.usage:
            yield self._body("chat.completion.chunk", [], piece) | {"usage": self._usage(piece)}

    def _choice(self, content: dict[str, Any], finish: str | None) -> dict[str, Any]:
        return {"index": 0, "logprobs": None, "finish_reason": finish} | content

    def _body(self, kind: str, choices: list[dict[str, Any]], piece: Piece) -> dict[str, Any]:
        body = {
            "id": f"{'chatcmpl' if self.chat else 'cmpl'}-{self.id}",
            "object": kind if self.chat else "text_completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }
        return body | ({"counters": counters(piece)} if self.counters else {})

    def _usage(self, last: Piece) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": last.tokens,
            "total_tokens": self.prompt + last.tokens,
        }


def counters(piece: Piece) -> dict[str, Any]:
    """What an answer has cost so far; the device's part is null on the host."""
    device = None if piece.spent is None else asdict(piece.spent)
    return {"tokens": piece.tokens, "seconds": piece.seconds, "device": device}
