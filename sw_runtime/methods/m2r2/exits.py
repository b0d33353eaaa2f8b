"""Early exits: a small attention over the fast stream decides after which layer a token may leave (ARLA).

What the paper calls ARLA is recollected as attention in a down-projected space over the accelerated
residuals of an exit's interval and a linear layer to one logit, trained to predict whether the
exit's likeliest token is the final one (unverified).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.m2r2.residuals import Adapter, M2R2Parameters, read_prompt, run_both, run_slow

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


def intervals(exits: Sequence[int]) -> list[slice]:
    """Where the fast stream's states of each exit's interval are in ``Streams.fast``: after the last exit, up to it."""
    return [slice(before + 1, layer + 1) for before, layer in zip([0, *exits], exits, strict=False)]


def exit_logits(gates: Sequence[ExitGate], fast: Sequence[Tensor], exits: Sequence[int]) -> Tensor:
    """Every exit's logit: the fast stream before each layer and after the last, of [T, D] → [T, exits]."""
    stacked = torch.stack(list(fast))
    return torch.stack([gate(stacked[interval]) for gate, interval in zip(gates, intervals(exits), strict=True)], dim=1)


def tokens_with_exits(
    decoder: Decoder,
    adapters: Sequence[Adapter],
    gates: Sequence[ExitGate],
    parameters: M2R2Parameters,
    prompt: Tensor,
    choose: Choose,
) -> Iterator[tuple[int, int]]:
    """Greedy text whose tokens leave early: not the slow stream's, but close to it where the gates are right.

    A token that leaves writes keys and values of the later layers from its fast stream at the exit, so
    that nothing is missing from the caches. That changes what later tokens see.

    Parameters
    ----------
    adapters
        Of all layers up to the last exit.
    gates
        One an exit.
    prompt
        int64 [T], T at least 1.
    choose
        Who compares with the threshold.

    Yields
    ------
    A token, and the layer after which it left; the number of layers where it stayed to the end. Endless.
    """
    layers, deepest = len(decoder.layers), parameters.exits[-1]
    caches, token = read_prompt(decoder, prompt), int(prompt[-1])
    for place in count(len(prompt) - 1):
        position = torch.tensor([place])
        streams = run_both(decoder, adapters, torch.tensor([token]), position, caches)
        number = int(choose(exit_logits(gates, streams.fast, parameters.exits)))
        if number < len(parameters.exits):
            left = parameters.exits[number]
            final, places = streams.fast[left], decoder.places(position)
            for layer, cache in zip(decoder.layers[left:], caches[left:], strict=True):
                cache.write(position, decoder.keys_values(layer, final, places))
        else:
            left = layers
            final = run_slow(decoder, streams.slow[-1], position, caches, range(deepest, layers))
        token = int(decoder.logits(final)[0].argmax())
        yield token, left
