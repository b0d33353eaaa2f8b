"""How a question is put to a model with its passages: the parts of the prompt, what is read once, and the answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from golden_models.decoder import Decoder, KeysValues
from golden_models.layers import causal_mask
from golden_models.superposition.forkjoin import path_positions
from golden_models.superposition.prompting import (
    Paths,
    Segment,
    after,
    counted,
    read,
    read_documents,
    read_preamble,
)
from papers.prompts import ANSWER_TOKENS, Prompts
from papers.questions import Asked


def go_on(decoder: Decoder, seen: Sequence[Segment], bias: Tensor, tokens: Tensor, start: float) -> Segment:
    """Read tokens in a row after others, from a position on."""
    return read(decoder, tokens, counted(start, tokens), seen, bias)


def in_a_row(decoder: Decoder, seen: Sequence[Segment], tokens: Tensor) -> Segment:
    """Read tokens as an ordinary prompt goes on."""
    nothing = torch.zeros(sum(len(segment.tokens) for segment in seen))
    return go_on(decoder, seen, nothing, tokens, after(seen[-1].positions))


def respond(
    decoder: Decoder, seen: Sequence[Segment], bias: Tensor, task: Tensor, ends: Callable[[int], bool]
) -> list[int]:
    """The likeliest answer, a token at a time.

    Parameters
    ----------
    seen, bias
        Everything before the task, and what is added to attention on it, [S].
    task
        int64 [m]; stands after the furthest of ``seen``.
    ends
        Whether an answer is over with a token.
    """
    start = max(after(segment.positions) for segment in seen)
    segment, read_before = go_on(decoder, seen, bias, task, start), list(seen)
    answer: list[int] = []
    while len(answer) < ANSWER_TOKENS and not ends(token := int(segment.logits[-1].argmax())):
        answer.append(token)
        read_before.append(segment)
        bias = torch.cat([bias, torch.zeros(len(segment.tokens))])
        segment = go_on(decoder, read_before, bias, torch.tensor([token]), after(segment.positions))
    return answer


@dataclass(frozen=True)
class SideBySide:
    """What every path sees before the query; documents are filled up to the longest.

    Parameters
    ----------
    cache
        Of each layer: [paths, kv_heads, S, d].
    mask
        0 for what a path sees and -∞ for filling: float32 [paths, 1, 1, S].
    start
        Position of the query's first token.
    """

    cache: tuple[KeysValues, ...]
    mask: Tensor
    start: float

    @classmethod
    def of(cls, preamble: Segment, documents: Sequence[Segment]) -> "SideBySide":
        """The preamble and a document on each path."""
        lengths = [len(document.tokens) for document in documents]
        longest = max(lengths)

        def filled(common: Tensor, own: Sequence[Tensor]) -> Tensor:
            rows = torch.stack([pad(of_one, (0, 0, 0, longest - of_one.shape[-2])) for of_one in own])
            return torch.cat([common.expand(len(own), -1, -1, -1), rows], dim=-2)

        cache = tuple(
            KeysValues(filled(first.keys, [c.keys for c in others]), filled(first.values, [c.values for c in others]))
            for first, *others in zip(preamble.cache, *(document.cache for document in documents), strict=True)
        )
        filling = torch.arange(longest) >= torch.tensor(lengths)[:, None]
        seen = torch.zeros(len(documents), len(preamble.tokens))
        mask = torch.cat([seen, torch.zeros(filling.shape).masked_fill(filling, -torch.inf)], dim=1)
        return cls(cache, mask[:, None, None], path_positions(after(preamble.positions), lengths)[1])


def read_queries_at_once(decoder: Decoder, before: SideBySide, query: Tensor) -> tuple[Segment, ...]:
    """What ``read_queries`` reads path by path, in one pass over the weights: the paper's parallel paths.

    Parameters
    ----------
    before
        What was read before the query is known.
    query
        int64 [m], m at least 2.

    Returns
    -------
    The query on each path.
    """
    paths, positions = len(before.mask), counted(before.start, query)
    order = torch.arange(len(query))
    own = torch.zeros(len(query), len(query)).masked_fill(~causal_mask(order, order), -torch.inf)
    mask = torch.cat([before.mask.expand(-1, -1, len(query), -1), own.expand(paths, 1, -1, -1)], dim=-1)
    hidden_states, caches = decoder.embed(query.expand(paths, -1)), []
    attended = torch.zeros(paths, mask.shape[-1])
    for layer, seen in zip(decoder.layers, before.cache, strict=True):
        caches.append(decoder.keys_values(layer, hidden_states, positions))
        hidden_states, probabilities = decoder.attend(layer, hidden_states, positions, seen.then(caches[-1]), mask)
        hidden_states = decoder.feed_forward(layer, hidden_states)
        attended += probabilities.sum(dim=(1, 2))
    logits, visible = decoder.logits(hidden_states), mask[:, 0, -1] == 0  # the query's last token sees all of its path
    return tuple(
        Segment(
            query,
            positions,
            tuple(KeysValues(cache.keys[path], cache.values[path]) for cache in caches),
            logits[path],
            attended[path][visible[path]],
        )
        for path in range(paths)
    )


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
    paths
        Preamble and documents once more, as paths.
    """

    texts: list[str]
    tokens: list[Tensor]
    preamble: Segment
    documents: list[Segment]
    serial: Segment
    paths: SideBySide

    @classmethod
    def of(cls, decoder: Decoder, prompts: Prompts, texts: list[str]) -> "Library":
        """Read them."""
        tokens = [prompts.document(text) for text in texts]
        preamble = read_preamble(decoder, prompts.preamble)
        serial = in_a_row(decoder, [preamble], torch.cat(tokens))
        documents = read_documents(decoder, [preamble], tokens)
        return cls(texts, tokens, preamble, documents, serial, SideBySide.of(preamble, documents))


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

    def paths(self) -> Paths:
        """The question read on every path."""
        library = self.library
        queries = read_queries_at_once(self.decoder, library.paths, self.query)
        return Paths((library.preamble,), tuple(library.documents), queries)

    def response(self, seen: Sequence[Segment], bias: Tensor) -> str:
        """What the model answers."""
        return self.prompts.text(respond(self.decoder, seen, bias, self.prompts.task, self.prompts.ends))


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
