"""How a question is put to a model with its passages: the parts of the prompt, what is read once, and the answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from golden_models.decoder import Decoder, KeysValues
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


def read_queries_at_once(
    decoder: Decoder, preamble: Segment, documents: Sequence[Segment], query: Tensor
) -> tuple[Segment, ...]:
    """What ``read_queries`` reads path by path, in one pass over the weights: the paper's parallel paths.

    Parameters
    ----------
    preamble, documents
        What was read before the query is known.
    query
        int64 [m], m at least 2.

    Returns
    -------
    The query on each path.
    """
    paths, own = len(documents), len(query)
    starts = [len(preamble.tokens), *(len(document.tokens) for document in documents)]
    _, start = path_positions(after(preamble.positions), starts[1:])
    tokens, positions = query.repeat(paths), counted(start, query).repeat(paths)
    path = torch.arange(paths).repeat_interleave(own)
    owner = torch.cat([torch.arange(-1, paths).repeat_interleave(torch.tensor(starts)), path])
    before = torch.arange(len(path))[:, None] >= torch.arange(-sum(starts), len(path))
    mask = torch.zeros(before.shape).masked_fill(~(before & ((owner == path[:, None]) | (owner == -1))), -torch.inf)
    hidden_states, caches = decoder.embed(tokens), []
    attended = torch.zeros(mask.shape)
    for number, layer in enumerate(decoder.layers):
        seen = preamble.cache[number]
        for document in documents:
            seen = seen.then(document.cache[number])
        caches.append(decoder.keys_values(layer, hidden_states, positions))
        seen = seen.then(caches[-1])
        hidden_states, probabilities = decoder.attend(layer, hidden_states, positions, seen, mask)
        hidden_states = decoder.feed_forward(layer, hidden_states)
        attended += probabilities.sum(dim=0)
    logits = decoder.logits(hidden_states)
    queries = []
    for number in range(paths):
        rows = slice(number * own, (number + 1) * own)
        cache = tuple(KeysValues(c.keys[..., rows, :], c.values[..., rows, :]) for c in caches)
        looked = attended[rows][:, (owner == -1) | (owner == number)].sum(dim=0)
        queries.append(Segment(query, positions[rows], cache, logits[rows], looked))
    return tuple(queries)


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

    def paths(self) -> Paths:
        """The question read on every path."""
        library = self.library
        queries = read_queries_at_once(self.decoder, library.preamble, library.documents, self.query)
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
