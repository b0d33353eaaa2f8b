"""LazyLLM (arXiv 2407.14057): prompt tokens are computed only once something looks at them.

After some layers the tokens that the last token attends to least are left out of the rest of the
step. Their hidden states are kept aside (the paper's Aux Cache), and since every step begins again
with all tokens, a token may come back where it stopped. No token is computed twice at a layer.

Keys and values of a token that comes back were computed beside other tokens than in a dense model.
That is part of the method and is not repaired here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

import torch
from torch import Tensor

from formats.router.bitmaps import indices
from formats.router.descriptor import Quota
from formats.router.keys import score_keys
from formats.router.rates import Rate, drop_count, exact_rate
from golden_models.decoder import Decoder, KeysValues
from golden_models.layers import causal_mask
from golden_models.router.selection import TopK, topk

PORT_LAYERS = 32
PORT_KEPT = {8: 0.7, 16: 0.5, 24: 0.3}
"""Layer: share kept, of 32 layers. A public port's schedule, not the paper's."""


@dataclass(frozen=True)
class LazyLLMParameters:
    """Hyper-parameters.

    Parameters
    ----------
    rates
        Layer, from 0: share of the tokens attended to there that later layers go without, at least
        0 and below 1. Rounded down to whole tokens; other layers drop none.
    score_code
        What ranks tokens: see ``formats.router.keys.score_keys``.
    pooling
        Width of an average over neighbours, odd; 1 is none. A port uses 13.

    Raises
    ------
    ValueError
        If a rate or the width is not as above.
    """

    rates: Mapping[int, Rate]
    score_code: Literal["sum16", "x24"] = "sum16"
    pooling: int = 1

    def __post_init__(self) -> None:
        for layer, rate in self.rates.items():
            if layer < 0 or not 0 <= rate < 1:
                raise ValueError(f"a layer is at least 0 and its rate 0 to below 1, not {layer}: {rate}")
        if self.pooling < 1 or self.pooling % 2 == 0:
            raise ValueError(f"pooling must be an odd width, not {self.pooling}")


def port_rates(layers: int) -> dict[int, Rate]:
    """The port's schedule at the same depths of a model of other depth: rates of ``LazyLLMParameters``.

    In a model of few layers those that would fall on the last one are left out: nothing comes after it.
    """
    depths = {layer * layers // PORT_LAYERS: 1 - exact_rate(kept) for layer, kept in PORT_KEPT.items()}
    return {layer: rate for layer, rate in depths.items() if layer < layers - 1}


def rates_of_shares(kept: Mapping[int, Rate]) -> dict[int, Rate]:
    """Rates after which these shares of all the tokens are left: layer, ascending: share."""
    rates: dict[int, Rate] = {}
    before = Fraction(1)
    for layer, share in kept.items():
        rates[layer] = 1 - exact_rate(share) / before
        before = exact_rate(share)
    return rates


class TokenSets(Protocol):
    """The sets of tokens behind the method; the golden ones are below, a device's router may hold others."""

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


class GoldenTokenSets:
    """The sets as masks, bool [N] each.

    Parameters
    ----------
    layers
        Layers of the model.
    score_code
        As in ``LazyLLMParameters``.

    Attributes
    ----------
    selected
        Tokens of this step at the present layer.
    computed
        For each layer the tokens whose keys and values are known.
    aside
        For each layer the tokens whose hidden states were set aside after it.
    """

    def __init__(self, layers: int, score_code: Literal["sum16", "x24"] = "sum16") -> None:
        self.score_code = score_code
        self.selected = torch.zeros(0, dtype=torch.bool)
        self.computed = [self.selected] * layers
        self.aside = [self.selected] * layers

    def begin(self, tokens: int) -> None:
        """As ``TokenSets.begin``."""
        more = torch.zeros(tokens - len(self.selected), dtype=torch.bool)
        self.selected = torch.ones(tokens, dtype=torch.bool)
        self.computed = [torch.cat([mask, more]) for mask in self.computed]
        self.aside = [torch.cat([mask, more]) for mask in self.aside]

    def enter(self, layer: int) -> tuple[Tensor, Tensor]:
        """As ``TokenSets.enter``."""
        cached = self.computed[layer] & self.selected
        revived = torch.zeros_like(cached)
        if layer:
            revived = self.aside[layer - 1] & self.selected & ~cached
        self.computed[layer] = self.computed[layer] | self.selected
        return indices(cached), indices(revived)

    def prune(self, layer: int, scores: Tensor, rate: Rate) -> tuple[Tensor, Tensor]:
        """As ``TokenSets.prune``."""
        rule = TopK(Quota.DROP, drop_count(rate, int(self.selected.sum())), last=True)
        kept = topk(score_keys(scores, self.score_code), rule, candidates=self.selected)
        store = self.selected & ~kept & ~self.computed[layer + 1] & ~self.aside[layer]
        self.aside[layer] = self.aside[layer] | store
        self.selected = kept
        return kept, indices(store)


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
        The backbone.
    parameters
        When to drop how many tokens.
    sets
        Who keeps the sets of tokens: the golden model if not given.

    Raises
    ------
    ValueError
        If a rate belongs to no layer, or to the last, after which nothing is left to save.
    """

    def __init__(self, decoder: Decoder, parameters: LazyLLMParameters, sets: TokenSets | None = None) -> None:
        layers = len(decoder.layers)
        if any(layer >= layers - 1 for layer in parameters.rates):
            raise ValueError(f"rates are for layers 0 to {layers - 2}, not {sorted(parameters.rates)}")
        self.decoder = decoder
        self.parameters = parameters
        self.sets = sets or GoldenTokenSets(layers, parameters.score_code)
        self.tokens = 0
        kv_width, width = decoder.layers[0].key.shape
        none = torch.zeros(decoder.kv_heads, 0, kv_width // decoder.kv_heads)
        self._kept = [KeysValues(none, none)] * layers
        # Only the deepest hidden state of a token is ever read again: a row a token, not one a layer.
        self._aside = torch.zeros(0, width)

    def step(self, fresh: Tensor) -> Step:
        """Append tokens, the prompt or the one just generated, and foretell the next: int64 [T], T at least 1.

        Raises
        ------
        ValueError
            If there is no token.
        """
        if not len(fresh):
            raise ValueError("a step needs at least one token")
        self._grow(len(fresh))
        self.sets.begin(self.tokens)
        places = torch.arange(self.tokens - len(fresh), self.tokens)
        hidden_states = self.decoder.embed(fresh)
        attended, computed, came_back = [], [], []
        pairs = 0
        for number, layer in enumerate(self.decoder.layers):
            cached, revived = self.sets.enter(number)
            places = torch.cat([places, revived])
            hidden_states = torch.cat([hidden_states, self._aside[revived]])
            new = self.decoder.keys_values(layer, hidden_states, places)
            seen = self._kept[number].take(cached).then(new)
            keys = torch.cat([cached, places])
            mask = causal_mask(places, keys)
            hidden_states, probabilities = self.decoder.attend(layer, hidden_states, places, seen, mask)
            hidden_states = self.decoder.feed_forward(layer, hidden_states)
            self._kept[number].keys[:, places], self._kept[number].values[:, places] = new.keys, new.values
            attended.append(self._mask(keys))
            computed.append(self._mask(places))
            came_back.append(self._mask(revived))
            pairs += int(mask.sum())
            if rate := self.parameters.rates.get(number):
                scores = self._scores(probabilities[:, places == self.tokens - 1].squeeze(1), keys)
                kept, aside = self.sets.prune(number, scores, rate)
                self._set_aside(aside, hidden_states, places)
                stays = kept[places]
                places, hidden_states = places[stays], hidden_states[stays]
        last = hidden_states[places == self.tokens - 1]
        logits = self.decoder.logits(last)[0]
        return Step(logits, torch.stack(attended), torch.stack(computed), torch.stack(came_back), pairs)

    def _grow(self, tokens: int) -> None:
        """Make room for more tokens."""
        self.tokens += tokens
        self._aside = torch.cat([self._aside, torch.zeros(tokens, self._aside.shape[1])])
        heads, _, head_dim = self._kept[0].keys.shape
        room = torch.zeros(heads, tokens, head_dim)
        self._kept = [kept.then(KeysValues(room, room)) for kept in self._kept]

    def _mask(self, places: Tensor) -> Tensor:
        """int64 [n] → bool [N]."""
        mask = torch.zeros(self.tokens, dtype=torch.bool)
        mask[places] = True
        return mask

    def _scores(self, attention: Tensor, keys: Tensor) -> Tensor:
        """What the last token pays to each token, a row a head: [heads, S] at places [S] → [heads, N]."""
        order = keys.argsort()
        width = self.parameters.pooling
        attention = torch.nn.functional.avg_pool1d(
            attention[:, order], width, stride=1, padding=width // 2, count_include_pad=False
        )
        scores = torch.zeros(len(attention), self.tokens)
        scores[:, keys[order]] = attention
        return scores

    def _set_aside(self, aside: Tensor, hidden_states: Tensor, places: Tensor) -> None:
        """Keep the hidden states of some tokens."""
        rows = torch.zeros(self.tokens, dtype=torch.int64)
        rows[places] = torch.arange(len(places))
        self._aside[aside] = hidden_states[rows[aside]]
