"""Early exits: a small attention over the fast stream decides after which layer a token may leave (ARLA).

What the paper calls ARLA is recollected as attention in a down-projected space over the accelerated
residuals of an exit's interval and a linear layer to one logit, trained to foretell whether the
exit's likeliest token is the final one (unverified).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

from formats.router.numbers import SQ7_16, encode, threshold
from golden_models.decoder import Decoder
from golden_models.m2r2.residuals import Adapter, M2R2Parameters, read_prompt, run_both, run_slow
from golden_models.router.selection import first

Choose = Callable[[Tensor], Tensor]
"""Exit logits, float [T, exits] → the exit of each token, int64 [T]; the number of exits where none is taken."""


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
        """Exit logits: the fast stream after each layer of the interval, [k, T, D] → [T].

        The last one asks. Residuals are brought to unit mean square first: their sizes grow with depth.
        """
        normed = residuals * residuals.square().mean(dim=-1, keepdim=True).rsqrt()
        query = normed[-1] @ self.query.T
        scores = torch.einsum("tl,ktl->kt", query, normed @ self.key.T) * len(self.weight) ** -0.5
        mixed = (scores.softmax(dim=0)[..., None] * (normed @ self.value.T)).sum(dim=0)
        logits: Tensor = mixed @ self.weight + self.bias
        return logits


def gate_loss(logits: Tensor, agrees: Tensor) -> Tensor:
    """Binary cross-entropy, mean over tokens: float [T], bool [T] → []."""
    return (torch.nn.functional.softplus(logits) - logits * agrees).mean()


def intervals(exits: Sequence[int]) -> list[slice]:
    """Where the fast stream's states of each exit's interval are in ``Streams.fast``: after the last exit, up to it."""
    return [slice(before + 1, layer + 1) for before, layer in zip([0, *exits], exits, strict=False)]


def exit_logits(gates: Sequence[ExitGate], fast: Sequence[Tensor], exits: Sequence[int]) -> Tensor:
    """Every exit's logit: the fast stream before each layer and after the last, of [T, D] → [T, exits]."""
    stacked = torch.stack(list(fast))
    return torch.stack([gate(stacked[interval]) for gate, interval in zip(gates, intervals(exits), strict=True)], dim=1)


def choose_exit(logits: Tensor, parameters: M2R2Parameters) -> Tensor:
    """The earliest exit whose logit is above θ_exit, strictly: ``Choose`` in the router's integers."""
    keys = encode(SQ7_16.quantise(logits), SQ7_16.key_format)
    return first(keys, threshold(parameters.threshold, ">", SQ7_16), none=True)[0]


def tokens_with_exits(
    decoder: Decoder,
    adapters: Sequence[Adapter],
    gates: Sequence[ExitGate],
    parameters: M2R2Parameters,
    prompt: Tensor,
    choose: Choose | None = None,
) -> Iterator[tuple[int, int]]:
    """Greedy text whose tokens leave early: not the slow stream's, but close to it where the gates are right.

    A token that leaves writes keys and values of the later layers from its fast stream at the exit, so
    that nothing is missing from the cache. That changes what later tokens see.

    Parameters
    ----------
    adapters
        Of all layers up to the last exit.
    gates
        One an exit.
    prompt
        int64 [T], T at least 1.
    choose
        Who compares with the threshold: the golden model if not given.

    Yields
    ------
    A token, and the layer after which it left; the number of layers where it stayed to the end. Endless.
    """
    decide: Choose = choose or (lambda logits: choose_exit(logits, parameters))
    layers, deepest = len(decoder.layers), parameters.exits[-1]
    cache, token = read_prompt(decoder, prompt), int(prompt[-1])
    for place in count(len(prompt) - 1):
        position = torch.tensor([place])
        streams = run_both(decoder, adapters, torch.tensor([token]), position, cache[:deepest])
        number = int(decide(exit_logits(gates, streams.fast, parameters.exits)))
        if number < len(parameters.exits):
            layer = parameters.exits[number]
            final = streams.fast[layer]
            written = [
                before.then(decoder.keys_values(decoder.layers[later], final, position))
                for later, before in enumerate(cache[layer:], start=layer)
            ]
            cache = streams.cache[:layer] + written
        else:
            layer = layers
            final, late = run_slow(decoder, streams.slow[-1], position, cache[deepest:], range(deepest, layers))
            cache = streams.cache + late
        token = int(decoder.logits(final)[0].argmax())
        yield token, layer
