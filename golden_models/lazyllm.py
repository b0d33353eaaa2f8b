"""LazyLLM (arXiv 2407.14057): prompt tokens are computed only once something looks at them.

Written densely: every layer is run for all tokens in every step, and masks say whose results count. The state of a
token before each layer is kept from the step in which it first got that far. So there is no cache of keys and values,
which are made again from those states, and no Aux Cache: a token that stopped is one whose next state is not known yet.

Keys and values of a token that comes back were computed beside other tokens than in a dense model.
That is part of the method and is not repaired here.

There is no code of the authors'. Two public implementations, LazyLlama in PyTorch and a port to llama.cpp, were
read and not run; both score tokens as it is done here. Recollected: that this score is the paper's equation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from formats.router.descriptor import Quota
from formats.router.keys import score_keys
from formats.router.rates import Rate, drop_count
from golden_models.decoder import Decoder
from golden_models.layers import causal_mask
from golden_models.router.selection import TopK, topk


@dataclass(frozen=True)
class Step:
    """What a step gave.

    Parameters
    ----------
    logits
        [vocabulary], of the last token.
    attended
        bool [L, N]: tokens that could be seen at each layer.
    computed
        bool [L, N]: tokens that were computed at each layer in this step.
    revived
        bool [L, N]: those of them that had stopped before the layer in an earlier step.
    """

    logits: Tensor
    attended: Tensor
    computed: Tensor
    revived: Tensor


class LazyLLM:
    """One sequence, prompt and generated tokens.

    Parameters
    ----------
    decoder
        The backbone, of L layers.
    rates
        Layer: share of the tokens attended to there that later layers go without.
    score_code
        What ranks tokens: see ``formats.router.keys.score_keys``.
    pooling
        Width of an average of the scores over neighbours that are attended to, odd; 1 is none.

    Attributes
    ----------
    states
        Every token's hidden state before each layer and after the last: [L + 1, N, D].
    known
        Whose state is one the method has computed, bool [L + 1, N].
    """

    def __init__(
        self,
        decoder: Decoder,
        rates: Mapping[int, Rate],
        score_code: Literal["sum16", "x24"] = "sum16",
        pooling: int = 1,
    ) -> None:
        self.decoder, self.rates, self.score_code, self.pooling = decoder, rates, score_code, pooling
        depths, width = len(decoder.layers) + 1, decoder.embedding.shape[1]
        self.states = torch.zeros(depths, 0, width)
        self.known = torch.zeros(depths, 0, dtype=torch.bool)

    def step(self, fresh: Tensor) -> Step:
        """Append tokens, the prompt or the one just generated, and predict the next: int64 [T], T at least 1."""
        decoder, before = self.decoder, self.states.shape[1]
        self.states = torch.nn.functional.pad(self.states, (0, 0, 0, len(fresh)))
        self.known = torch.nn.functional.pad(self.known, (0, len(fresh)))
        self.states[0, before:] = decoder.embed(fresh)
        self.known[0] = True
        positions = torch.arange(before + len(fresh))
        selected = torch.ones(len(positions), dtype=torch.bool)
        attended, computed = [], []
        for number, layer in enumerate(decoder.layers):
            states = self.states[number]
            seen = decoder.keys_values(layer, states, positions)
            mask = causal_mask(positions, positions) & selected | torch.eye(len(positions), dtype=torch.bool)
            after, probabilities = decoder.attend(layer, states, positions, seen, mask)
            new = selected & ~self.known[number + 1]
            self.states[number + 1, new] = decoder.feed_forward(layer, after)[new]
            self.known[number + 1] |= new
            attended.append(selected)
            computed.append(new)
            if rate := self.rates.get(number):
                scores = score_keys(self._pooled(probabilities[:, -1], selected), self.score_code)
                rule = TopK(Quota.DROP, drop_count(rate, int(selected.sum())), last=True)
                selected = topk(scores, rule, candidates=selected)
        went = torch.stack(computed)
        stopped = torch.cat([torch.zeros_like(went[:1]), ~went[:-1]])
        return Step(decoder.logits(self.states[-1, -1:])[0], torch.stack(attended), went, went & stopped)

    def _pooled(self, scores: Tensor, selected: Tensor) -> Tensor:
        """Each selected token's mean of its neighbours' scores: [heads, N], bool [N] → [heads, N]."""
        tokens, reach = selected.nonzero().flatten(), self.pooling // 2
        pooled = torch.zeros_like(scores)
        for place, token in enumerate(tokens):
            pooled[:, token] = scores[:, tokens[max(place - reach, 0) : place + reach + 1]].mean(dim=1)
        return pooled
