"""Two residual streams through one frozen decoder: a slow one, and one that runs ahead of it.

slow  h[i+1] = h[i] + f_i(h[i])
fast  p[0] = h[0],  p[i+1] = p[i] + f_i(p[i]) + A_i(p[i]),  so that p[i] is near h[R·i]

The equations are recollected, not read (unverified). The fast stream's queries attend to the slow
stream's keys and values, so there is one cache, and a token needs its slow stream wherever its
fast one goes. Caches are written in place: what a token wrote is replaced when its position is run again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from formats.errors import InputError
from sw_runtime.methods.decoder import Decoder, DecoderLayer, KeysValues, Mask, Places, causal_mask


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
    InputError
        If the exits are not ascending from 1 on, or another number is below 1.
    """

    rate: int = 2
    rank: int = 8
    exits: tuple[int, ...] = (9, 12, 15)
    threshold: float = 0.0
    latent: int = 16

    def __post_init__(self) -> None:
        if min(self.rate, self.rank, self.latent) < 1:
            raise InputError(f"rate, rank and latent are at least 1, not {self.rate}, {self.rank} and {self.latent}")
        if not self.exits or self.exits[0] < 1 or list(self.exits) != sorted(set(self.exits)):
            raise InputError(f"exits must be layers from 1 on, ascending, not {self.exits}")

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


@dataclass(frozen=True)
class Streams:
    """Both streams of some tokens.

    Parameters
    ----------
    slow, fast
        Hidden states before each layer that ran and after the last: [layers + 1] of [T, D].
    """

    slow: list[Tensor]
    fast: list[Tensor]


def run_layer(
    decoder: Decoder, layer: DecoderLayer, stream: Tensor, places: Places, seen: Tensor, mask: Mask
) -> Tensor:
    """One layer of one stream: [T, D], seeing keys and values [2, kv_heads, S, d]."""
    return decoder.feed_forward(layer, decoder.attend(layer, stream, places, seen, mask)[0])


def run_both(
    decoder: Decoder, adapters: Sequence[Adapter], tokens: Tensor, positions: Tensor, caches: Sequence[KeysValues]
) -> Streams:
    """Both streams through as many layers as there are adapters, in one pass over each layer's weights.

    Parameters
    ----------
    tokens, positions
        int64 [T], [T]; the positions are in a row.
    caches
        Of those layers at least, holding every earlier position. These tokens are written too.
    """
    count, embedded = len(tokens), decoder.embed(tokens)
    slow, fast = [embedded], [embedded]
    places, twice = decoder.places(positions), positions.repeat(2)
    places_of_both, mask = decoder.places(twice), _sees_before(twice)
    for layer, adapter, cache in zip(decoder.layers, adapters, caches, strict=False):
        cache.write(positions, decoder.keys_values(layer, slow[-1], places))
        seen = cache.first(int(positions[-1]) + 1)
        both = run_layer(decoder, layer, torch.cat([slow[-1], fast[-1]]), places_of_both, seen, mask)
        slow.append(both[:count])
        fast.append(both[count:] + adapter(fast[-1]))
    return Streams(slow, fast)


def run_slow(decoder: Decoder, slow: Tensor, positions: Tensor, caches: Sequence[KeysValues], layers: range) -> Tensor:
    """The slow stream alone through some layers of all: [T, D] → [T, D].

    Parameters
    ----------
    positions
        int64 [T], in a row.
    caches
        Of all layers, as in ``run_both``.
    """
    if not len(positions):
        return slow
    places, mask = decoder.places(positions), _sees_before(positions)
    for number in layers:
        layer, cache = decoder.layers[number], caches[number]
        cache.write(positions, decoder.keys_values(layer, slow, places))
        slow = run_layer(decoder, layer, slow, places, cache.first(int(positions[-1]) + 1), mask)
    return slow


def read_prompt(decoder: Decoder, prompt: Tensor) -> list[KeysValues]:
    """The slow stream's caches of all tokens but the last, which a method takes up: int64 [T], T at least 1."""
    caches, before = decoder.caches(), prompt[:-1]
    run_slow(decoder, decoder.embed(before), torch.arange(len(before)), caches, range(len(decoder.layers)))
    return caches


def _sees_before(positions: Tensor) -> Mask:
    """What tokens in a row see of all positions up to the last of theirs."""
    return causal_mask(positions, torch.arange(int(positions[-1]) + 1))
