"""Two residual streams through one frozen decoder: a slow one, and one that runs ahead of it.

slow  h[i+1] = h[i] + f_i(h[i])
fast  p[0] = h[0],  p[i+1] = p[i] + f_i(p[i]) + A_i(p[i]),  so that p[i] is near h[R·i]

The equations are recollected, not read (unverified). The fast stream's queries attend to the slow
stream's keys and values, so there is one cache, and a token needs its slow stream wherever its
fast one goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from golden_models.decoder import Decoder, DecoderLayer, KeysValues
from golden_models.layers import causal_mask


@dataclass(frozen=True)
class M2R2Parameters:
    """Hyper-parameters.

    Parameters
    ----------
    rate
        R: how many layers of the slow stream one of the fast stream is worth.
    rank
        r of the adapters; about 8 (unverified).
    exits
        Layers after which a token may leave, ascending.
    threshold
        θ_exit on the exit logit: a token leaves above it, strictly.
    latent
        Width of the attention that decides about exits.

    Raises
    ------
    ValueError
        If the exits are not ascending from 1 on, or another number is below 1.
    """

    rate: int = 2
    rank: int = 8
    exits: tuple[int, ...] = (9, 12, 15)
    threshold: float = 0.0
    latent: int = 16

    def __post_init__(self) -> None:
        if min(self.rate, self.rank, self.latent) < 1:
            raise ValueError(f"rate, rank and latent are at least 1, not {self.rate}, {self.rank} and {self.latent}")
        if not self.exits or self.exits[0] < 1 or list(self.exits) != sorted(set(self.exits)):
            raise ValueError(f"exits must be layers from 1 on, ascending, not {self.exits}")

    def horizon(self, layer: int, layers: int) -> int:
        """The slow layer that the fast stream is like before a layer: R·i, at most the model's ``layers``."""
        return min(self.rate * layer, layers)


@dataclass(frozen=True)
class Adapter:
    """A_i(p) = up · down · p.

    Parameters
    ----------
    up, down
        [D, r], [r, D].
    """

    up: Tensor
    down: Tensor

    @classmethod
    def zero(cls, width: int, rank: int) -> "Adapter":
        """The adapter that adds nothing: the fast stream is then the slow one."""
        return cls(torch.zeros(width, rank), torch.zeros(rank, width))

    def __call__(self, fast: Tensor) -> Tensor:
        """[T, D] → [T, D]."""
        return fast @ self.down.T @ self.up.T


def run_layer(decoder: Decoder, layer: DecoderLayer, stream: Tensor, positions: Tensor, seen: KeysValues) -> Tensor:
    """One layer of one stream: [T, D] at positions [T], seeing S keys of positions 0 to S - 1."""
    mask = causal_mask(positions, torch.arange(seen.keys.shape[-2]))
    attended, _ = decoder.attend(layer, stream, positions, seen, mask)
    return decoder.feed_forward(layer, attended)


@dataclass(frozen=True)
class Streams:
    """Both streams of some tokens, and the one cache.

    Parameters
    ----------
    slow, fast
        Hidden states before each layer that ran and after the last: [layers + 1] of [T, D].
    cache
        Keys and values of the slow stream, a layer each.
    """

    slow: list[Tensor]
    fast: list[Tensor]
    cache: list[KeysValues]


def run_both(
    decoder: Decoder, adapters: Sequence[Adapter], tokens: Tensor, positions: Tensor, cache: Sequence[KeysValues]
) -> Streams:
    """Both streams through as many layers as there are adapters.

    Parameters
    ----------
    tokens, positions
        int64 [T], [T]; positions follow those in the cache.
    cache
        Of those layers; what is returned holds these tokens too.
    """
    slow, fast, kept = [decoder.embed(tokens)], [decoder.embed(tokens)], []
    for layer, adapter, before in zip(decoder.layers, adapters, cache, strict=False):
        seen = before.then(decoder.keys_values(layer, slow[-1], positions))
        slow.append(run_layer(decoder, layer, slow[-1], positions, seen))
        fast.append(run_layer(decoder, layer, fast[-1], positions, seen) + adapter(fast[-1]))
        kept.append(seen)
    return Streams(slow, fast, kept)


def run_slow(
    decoder: Decoder, slow: Tensor, positions: Tensor, cache: Sequence[KeysValues], layers: range
) -> tuple[Tensor, list[KeysValues]]:
    """The slow stream alone through some layers: [T, D] and the cache of those layers → the same, afterwards."""
    kept = []
    for number, before in zip(layers, cache, strict=True):
        layer = decoder.layers[number]
        seen = before.then(decoder.keys_values(layer, slow, positions))
        slow = run_layer(decoder, layer, slow, positions, seen)
        kept.append(seen)
    return slow, kept


def read_prompt(decoder: Decoder, prompt: Tensor) -> list[KeysValues]:
    """The slow stream's cache of all tokens but the last, which a method takes up: int64 [T], T at least 1."""
    width = decoder.layers[0].key.shape[0] // decoder.kv_heads
    nothing = torch.zeros(decoder.kv_heads, 0, width)
    layers = range(len(decoder.layers))
    before = prompt[:-1]
    cache = [KeysValues(nothing, nothing) for _ in layers]
    return run_slow(decoder, decoder.embed(before), torch.arange(len(before)), cache, layers)[1]
