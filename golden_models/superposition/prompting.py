"""A prompt read segment by segment: what is kept between questions, and what each question costs."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from formats.errors import InputError
from golden_models.decoder import Decoder, KeysValues
from golden_models.layers import causal_mask
from golden_models.superposition.forkjoin import (
    Placement,
    SuperpositionParameters,
    keep_paths,
    path_bias,
    path_positions,
)


@dataclass(frozen=True)
class Segment:
    """Tokens that the decoder has read.

    Parameters
    ----------
    tokens, positions
        int64 [m], float64 [m].
    cache
        Keys and values of these tokens alone, layer by layer.
    logits
        [m, vocabulary].
    attended
        Attention of all rows, heads and layers on each token seen and on these: [S + m].
    """

    tokens: Tensor
    positions: Tensor
    cache: tuple[KeysValues, ...]
    logits: Tensor
    attended: Tensor

    def log_likelihoods(self, temperature: float = 1.0) -> Tensor:
        """Of each token given those before it in this segment and what it has seen: float32 [m - 1].

        The segment's first token is never scored, as in the code.
        """
        likelihoods = (self.logits[:-1].float() / temperature).log_softmax(dim=-1)
        return likelihoods.gather(1, self.tokens[1:, None])[:, 0]


def read(decoder: Decoder, tokens: Tensor, positions: Tensor, seen: Sequence[Segment], bias: Tensor) -> Segment:
    """Run tokens after segments that were read before.

    Parameters
    ----------
    tokens, positions
        int64 [m], float64 [m].
    seen
        Segments of S tokens in all.
    bias
        float32 [S], added to the attention scores of each.
    """
    order = torch.arange(len(tokens))
    own = torch.zeros(len(tokens), len(tokens)).masked_fill(~causal_mask(order, order), -torch.inf)
    mask = torch.cat([bias.expand(len(tokens), -1), own], dim=1)
    hidden_states, cache = decoder.embed(tokens), []
    attended = torch.zeros(mask.shape[1])
    for i, layer in enumerate(decoder.layers):
        cache.append(decoder.keys_values(layer, hidden_states, positions))
        caches = [*(segment.cache[i] for segment in seen), cache[-1]]
        everything = KeysValues(
            torch.cat([c.keys for c in caches], dim=-2), torch.cat([c.values for c in caches], dim=-2)
        )
        hidden_states, probabilities = decoder.attend(layer, hidden_states, positions, everything, mask)
        hidden_states = decoder.feed_forward(layer, hidden_states)
        attended += probabilities.sum(dim=(0, 1))
    return Segment(tokens, positions, tuple(cache), decoder.logits(hidden_states), attended)


def after(positions: Tensor) -> float:
    """The position that follows some: the largest and 1."""
    return positions.max().item() + 1


def counted(start: float, tokens: Tensor) -> Tensor:
    """Positions of tokens in a row: float64 [m]."""
    return start + torch.arange(len(tokens), dtype=torch.float64)


def read_preamble(decoder: Decoder, tokens: Tensor) -> Segment:
    """The part that all paths see: int64 [m], at least the start of the sequence.

    Raises
    ------
    InputError
        If it is empty.
    """
    if not len(tokens):
        raise InputError("the preamble must have at least 1 token, if only the start of the sequence")
    return read(decoder, tokens, counted(0.0, tokens), (), torch.zeros(0))


def read_documents(
    decoder: Decoder, preamble: Sequence[Segment], documents: Sequence[Tensor], placement: Placement = "equilibrium"
) -> list[Segment]:
    """Read every document after the preamble: what can be done before a query is known.

    Parameters
    ----------
    preamble
        One segment or, after hops, several.
    documents
        int64 [m] each, m at least 2.

    Raises
    ------
    InputError
        If there is no document, or one has a single token, whose log-likelihood would be a mean of nothing.
    """
    lengths = [len(tokens) for tokens in documents]
    if min(lengths, default=0) < 2:
        raise InputError(f"give one or more documents of at least 2 tokens each, not of {lengths}")
    placed, _ = path_positions(after(preamble[-1].positions), lengths, placement)
    nothing = torch.zeros(sum(len(segment.tokens) for segment in preamble))
    return [
        read(decoder, tokens, positions, preamble, nothing) for tokens, positions in zip(documents, placed, strict=True)
    ]


@dataclass(frozen=True)
class Paths:
    """Everything before the task.

    Parameters
    ----------
    preamble
        What all paths have seen, one segment or, after hops, several.
    documents, queries
        One of each a path.
    """

    preamble: tuple[Segment, ...]
    documents: tuple[Segment, ...]
    queries: tuple[Segment, ...]

    def take(self, kept: Tensor) -> "Paths":
        """The paths marked, bool [n_d]: the paper's pruning, which drops the others' keys and values."""
        chosen = kept.nonzero().flatten().tolist()
        return Paths(self.preamble, tuple(self.documents[i] for i in chosen), tuple(self.queries[i] for i in chosen))

    def weights(self, parameters: SuperpositionParameters) -> Tensor:
        """w_i = mean log-likelihood of the query + λ · that of its document (eq. 2, as coded): float32 [n_d]."""
        return torch.stack(
            [
                query.log_likelihoods(parameters.token_temperature).mean()
                + parameters.document_weight * document.log_likelihoods(parameters.token_temperature).mean()
                for document, query in zip(self.documents, self.queries, strict=True)
            ]
        )

    def attention_weights(self) -> Tensor:
        """How much each query has looked at its document, the alternative to likelihoods: float32 [n_d]."""
        before = sum(len(segment.tokens) for segment in self.preamble)
        return torch.stack(
            [
                query.attended[before : before + len(document.tokens)].sum()
                for document, query in zip(self.documents, self.queries, strict=True)
            ]
        )


def read_queries(
    decoder: Decoder,
    preamble: Sequence[Segment],
    documents: Sequence[Segment],
    query: Tensor,
    placement: Placement = "equilibrium",
) -> Paths:
    """Read the query, int64 [m], once after every document, at the same positions.

    Raises
    ------
    InputError
        If the query has fewer than 2 tokens.
    """
    if len(query) < 2:
        raise InputError(f"the query must have at least 2 tokens, not {len(query)}: its first is never scored")
    lengths = [len(document.tokens) for document in documents]
    _, start = path_positions(after(preamble[-1].positions), lengths, placement)
    queries = []
    for document in documents:
        seen = (*preamble, document)
        nothing = torch.zeros(sum(len(segment.tokens) for segment in seen))
        queries.append(read(decoder, query, counted(start, query), seen, nothing))
    return Paths(tuple(preamble), tuple(documents), tuple(queries))


def respond(decoder: Decoder, paths: Paths, bias: Tensor, task: Tensor) -> Segment:
    """Read the task, and the response so far, after all paths: the last logits predict the next token.

    Parameters
    ----------
    bias
        float32 [n_d], on each path's document and query.
    task
        int64 [m].
    """
    seen, added = list(paths.preamble), [torch.zeros(sum(len(segment.tokens) for segment in paths.preamble))]
    for document, query, value in zip(paths.documents, paths.queries, bias, strict=True):
        seen += [document, query]
        added.append(value.expand(len(document.tokens) + len(query.tokens)))
    return read(decoder, task, counted(after(paths.queries[0].positions), task), seen, torch.cat(added))


def superpose(
    decoder: Decoder,
    parameters: SuperpositionParameters,
    preamble: Tensor,
    documents: Sequence[Tensor],
    query: Tensor,
    task: Tensor,
    hops: int = 1,
) -> Segment:
    """The whole prompt, in one go or in hops.

    At each hop but the last, the likeliest path's document joins the preamble, *at the positions it has*, and the
    other documents are read anew from the next whole step on (MuSiQue, ``superposition_hops``).

    Parameters
    ----------
    preamble, documents, query, task
        int64 [m] each.
    hops
        t of the paper.

    Raises
    ------
    InputError
        If there are more hops than documents, or several hops and more than one path is kept: which document should
        join the preamble would be open.
    """
    if not 1 <= hops <= len(documents):
        raise InputError(f"hops must be 1 to the {len(documents)} documents, not {hops}")
    if hops > 1 and parameters.keep != 1:
        raise InputError(f"several hops follow one path each: keep must be 1, not {parameters.keep}")
    seen, left = [read_preamble(decoder, preamble)], list(documents)
    while True:
        read_before = read_documents(decoder, seen, left, parameters.placement)
        paths = read_queries(decoder, seen, read_before, query, parameters.placement)
        weights = paths.weights(parameters)
        hops -= 1
        if not hops:
            break
        best = int(keep_paths(weights, 1).nonzero())
        seen.append(paths.documents[best])
        left.pop(best)
    kept = keep_paths(weights, parameters.keep)
    return respond(decoder, paths, path_bias(weights, kept, parameters.temperature), task)
