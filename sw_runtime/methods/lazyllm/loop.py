"""The method: a step begins with all tokens, and after some layers goes on with those that are looked at.

Tokens that the last token attends to least are left out of the rest of the step. Their hidden states are
kept aside (the paper's Aux Cache), and since every step begins again with all tokens, a token may come
back where it stopped. No token is computed twice at a layer.

Keys and values of a token that comes back were computed beside other tokens than in a dense model.
That is part of the method and is not repaired here.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from formats.errors import InputError
from formats.router.rates import Rate
from sw_runtime.methods.decoder import Decoder, Mask, causal_mask
from sw_runtime.methods.lazyllm.schedule import LazyLLMParameters


class TokenSets(Protocol):
    """Who keeps the sets of tokens: selected in this step, computed at each layer, aside after each layer."""

    def begin(self, tokens: int) -> None:
        """Begin a step with all tokens selected."""

    def enter(self, layer: int) -> tuple[Tensor, Tensor]:
        """Mark the selected tokens as computed at a layer.

        Returns
        -------
        Ascending int64 each: those that were computed there before, and those that come back to it
        from aside.
        """

    def prune(self, layer: int, scores: Tensor, rate: Rate) -> tuple[Tensor, Tensor]:
        """Leave the selected tokens of least score out of the layers after this one.

        Parameters
        ----------
        scores
            Float [heads, N]; what tokens that are not selected have does not matter.
        rate
            Share to leave out. The last token stays.

        Returns
        -------
        The tokens still selected, bool [N], and those to set aside, ascending int64.
        """


@dataclass(frozen=True)
class Step:
    """What a step gave and what it cost.

    Parameters
    ----------
    logits
        [vocabulary], of the last token.
    attended
        bool [L, N]: tokens that could be seen at each layer.
    computed
        bool [L, N]: tokens that were computed at each layer in this step.
    revived
        bool [L, N]: those of them that came back from aside there.
    pairs
        Queries times the keys each may see, summed over the layers.
    """

    logits: Tensor
    attended: Tensor
    computed: Tensor
    revived: Tensor
    pairs: int


class LazyLLM:
    """One sequence, prompt and generated tokens, computed as far as it is looked at.

    Parameters
    ----------
    decoder
        The model.
    parameters
        When to drop how many tokens.
    sets
        Who keeps the sets of tokens.

    Raises
    ------
    InputError
        If a rate belongs to no layer, or to the last, after which nothing is left to save.
    """

    def __init__(self, decoder: Decoder, parameters: LazyLLMParameters, sets: TokenSets) -> None:
        layers = len(decoder.layers)
        if any(layer >= layers - 1 for layer in parameters.rates):
            raise InputError(f"rates are for layers 0 to {layers - 2}, not {sorted(parameters.rates)}")
        self.decoder, self.parameters, self.sets = decoder, parameters, sets
        self.tokens = 0
        self._caches = decoder.caches()
        # Only the deepest hidden state of a token is ever read again: a row per token, not one per layer.
        self._aside = torch.zeros(0, decoder.embedding.shape[1])

    def step(self, fresh: Tensor) -> Step:
        """Append tokens, the prompt or the one just generated, and predict the next: int64 [T], T at least 1.

        Raises
        ------
        InputError
            If there is no token.
        """
        if not len(fresh):
            raise InputError("a step needs at least one token")
        decoder = self.decoder
        self.tokens += len(fresh)
        self._aside = torch.nn.functional.pad(self._aside, (0, 0, 0, len(fresh)))
        self.sets.begin(self.tokens)
        places = decoder.places(torch.arange(self.tokens - len(fresh), self.tokens))
        hidden_states = decoder.embed(fresh)
        attended, computed, came_back = [], [], []
        pairs = 0
        for number, (layer, cache) in enumerate(zip(decoder.layers, self._caches, strict=True)):
            cached, revived = self.sets.enter(number)
            if len(revived):
                places = decoder.places(torch.cat([places.positions, revived]))
                hidden_states = torch.cat([hidden_states, self._aside[revived]])
            keys = torch.cat([cached, places.positions])
            cache.write(places.positions, decoder.keys_values(layer, hidden_states, places))
            seen, mask = cache.at(keys), causal_mask(places.positions, keys)
            hidden_states, queries = decoder.attend(layer, hidden_states, places, seen, mask)
            hidden_states = decoder.feed_forward(layer, hidden_states)
            attended.append(self._mask(keys))
            computed.append(self._mask(places.positions))
            came_back.append(self._mask(revived))
            pairs += _pairs(mask, len(places.positions), len(keys))
            if rate := self.parameters.rates.get(number):
                last = queries[:, places.positions == self.tokens - 1].squeeze(1)
                scores = self._scores(decoder.attention(last, seen), keys)
                kept, aside = self.sets.prune(number, scores, rate)
                self._aside[aside] = self._rows(hidden_states, places.positions)[aside]
                stays = kept[places.positions]
                places, hidden_states = decoder.places(places.positions[stays]), hidden_states[stays]
        logits = decoder.logits(hidden_states[places.positions == self.tokens - 1])[0]
        return Step(logits, torch.stack(attended), torch.stack(computed), torch.stack(came_back), pairs)

    def _mask(self, positions: Tensor) -> Tensor:
        """int64 [n] → bool [N]."""
        mask = torch.zeros(self.tokens, dtype=torch.bool)
        mask[positions] = True
        return mask

    def _rows(self, hidden_states: Tensor, positions: Tensor) -> Tensor:
        """Hidden states in the rows of their tokens: [T, D], int64 [T] → [N, D]."""
        return torch.zeros_like(self._aside).index_copy_(0, positions, hidden_states)

    def _scores(self, attention: Tensor, keys: Tensor) -> Tensor:
        """What the last token pays to each token, a row per head: [heads, S] to tokens [S] → [heads, N]."""
        order = keys.argsort()
        width = self.parameters.pooling
        attention = torch.nn.functional.avg_pool1d(
            attention[:, order], width, stride=1, padding=width // 2, count_include_pad=False
        )
        scores = torch.zeros(len(attention), self.tokens)
        scores[:, keys[order]] = attention
        return scores


def _pairs(mask: Mask, queries: int, keys: int) -> int:
    """Queries times the keys that each may see."""
    if isinstance(mask, Tensor):
        return int(mask.sum())
    return queries * keys if mask is None else queries * (queries + 1) // 2
