"""Two residual streams through one frozen decoder: a slow one, and one that runs ahead of it.

slow  h[i+1] = h[i] + f_i(h[i])
fast  p[0] = h[0],  p[i+1] = p[i] + f_i(p[i]) + A_i(p[i]),  so that p[i] is near h[R·i]

The equations are recollected, not read (unverified). The fast stream's queries attend to the slow
stream's keys and values.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from golden_models.decoder import Decoder
from golden_models.layers import causal_mask


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

    def __call__(self, fast: Tensor) -> Tensor:
        """[T, D] → [T, D]."""
        return fast @ (self.up @ self.down).T


@dataclass(frozen=True)
class Streams:
    """Both streams of a text.

    Parameters
    ----------
    slow
        Hidden states before each layer and after the last: [layers + 1] of [T, D].
    fast
        The same, as far as there are adapters.
    """

    slow: list[Tensor]
    fast: list[Tensor]


def run_both(
    decoder: Decoder, adapters: Sequence[Adapter], tokens: Tensor, left: Sequence[int] | None = None
) -> Streams:
    """Both streams of a whole text.

    Parameters
    ----------
    adapters
        Of the first layers.
    tokens
        int64 [T].
    left
        A token: the layer after which it left. From there on its slow stream is what its fast one was
        then, and no layer changes it. The number of layers, or None for all, where it did not leave.
    """
    layers = len(decoder.layers)
    exits = torch.tensor([layers] * len(tokens) if left is None else left)[:, None]
    positions = torch.arange(len(tokens))
    mask = causal_mask(positions, positions)
    slow, fast = [decoder.embed(tokens)], [decoder.embed(tokens)]
    for number, layer in enumerate(decoder.layers):
        seen = decoder.keys_values(layer, slow[-1], positions)
        if number < len(adapters):
            attended, _ = decoder.attend(layer, fast[-1], positions, seen, mask)
            fast.append(decoder.feed_forward(layer, attended) + adapters[number](fast[-1]))
        attended, _ = decoder.attend(layer, slow[-1], positions, seen, mask)
        after = torch.where(exits <= number, slow[-1], decoder.feed_forward(layer, attended))
        slow.append(torch.where((exits == number + 1) & (exits < layers), fast[-1], after))
    return Streams(slow, fast)
