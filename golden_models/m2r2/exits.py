"""Early exits: a small attention over the fast stream decides after which layer a token may leave (ARLA).

What the paper calls ARLA is recollected as attention in a down-projected space over the accelerated
residuals of an exit's interval and a linear layer to one logit, trained to predict whether the
exit's likeliest token is the final one (unverified).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from formats.router.numbers import SQ7_16, encode, threshold
from golden_models.decoder import Decoder
from golden_models.layers import attention
from golden_models.m2r2.residuals import Adapter, run_both
from golden_models.router.selection import first


@dataclass(frozen=True)
class ExitGate:
    """Latent attention over the residuals of one exit's interval.

    Parameters
    ----------
    query, key, value
        [latent, D].
    weight
        [latent], to the logit.
    bias
        [].
    """

    query: Tensor
    key: Tensor
    value: Tensor
    weight: Tensor
    bias: Tensor

    def __call__(self, residuals: Tensor) -> Tensor:
        """Exit logit of one token: its fast stream after each layer of the interval, [k, D] → [].

        The last one asks. Residuals are brought to unit mean square first: their sizes grow with depth.
        """
        normed = residuals / residuals.square().mean(dim=-1, keepdim=True).sqrt()
        queries, keys, values = normed[None, -1:] @ self.query.T, normed[None] @ self.key.T, normed[None] @ self.value.T
        mixed, _ = attention(queries, keys, values, torch.ones(1, len(normed), dtype=torch.bool))
        logit: Tensor = mixed[0, 0] @ self.weight + self.bias
        return logit


def exit_logits(gates: Sequence[ExitGate], fast: Sequence[Tensor], exits: Sequence[int]) -> Tensor:
    """Every exit's logit for one token: its fast stream before each layer, of [D] → [exits].

    An exit's interval is the layers after the exit before, up to its own.
    """
    logits, before = [], 0
    for gate, layer in zip(gates, exits, strict=True):
        logits.append(gate(torch.stack(list(fast[before + 1 : layer + 1]))))
        before = layer
    return torch.stack(logits)


def choose_exit(logits: Tensor, theta: float) -> int:
    """The earliest exit whose logit is above θ_exit, strictly, in the router's integers; else their number: [exits]."""
    keys = encode(SQ7_16.quantise(logits[None]), SQ7_16.key_format)
    return int(first(keys, threshold(theta, ">", SQ7_16), none=True)[0])


def tokens_with_exits(
    decoder: Decoder,
    adapters: Sequence[Adapter],
    gates: Sequence[ExitGate],
    exits: Sequence[int],
    prompt: Tensor,
    choose: Callable[[Tensor], int],
) -> Iterator[tuple[int, int]]:
    """Greedy text whose tokens leave early, everything run anew for every token.

    A token that left goes on as it was, so that later layers have its keys and values. That changes what
    later tokens see.

    Parameters
    ----------
    adapters
        Of all layers up to the last exit.
    gates
        One an exit.
    exits
        Layers after which a token may leave, ascending.
    prompt
        int64 [T], T at least 1.
    choose
        Exit logits [exits] → the exit, or their number where none is taken: ``choose_exit`` with a θ_exit.

    Yields
    ------
    A token, and the layer after which it left; the number of layers where it stayed to the end. Endless.
    """
    layers, tokens = len(decoder.layers), prompt.tolist()
    left = [layers] * len(tokens)
    while True:
        streams = run_both(decoder, adapters, torch.tensor(tokens), left)
        left[-1] = [*exits, layers][choose(exit_logits(gates, [states[-1] for states in streams.fast], exits))]
        final = run_both(decoder, adapters, torch.tensor(tokens), left).slow[-1]
        tokens.append(int(decoder.logits(final)[-1].argmax()))
        yield tokens[-1], left[-1]
        left.append(layers)
