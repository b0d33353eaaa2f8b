"""Mixtures of experts split from a dense MLP: some of its neurons at work, and which are on a device.

The MLP is computed whole, and a mask leaves the neurons of other experts out. What is loaded ahead of time, and when,
changes none of its results.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from formats.router.answer import Lookup
from formats.router.descriptor import Quota
from formats.router.numbers import SQ7_16, encode
from golden_models.decoder import DecoderLayer
from golden_models.router.cache import ExpertSet
from golden_models.router.selection import TopK, topk


def choose_experts(logits: Tensor, active: int) -> list[int]:
    """The experts of the largest gate logits, ascending: [experts] of one token; the first ones among equals."""
    keys = encode(SQ7_16.quantise(logits), SQ7_16.key_format)
    return topk(keys, TopK(Quota.KEEP, active)).nonzero().flatten().tolist()


def mixture(layer: DecoderLayer, order: Tensor, experts: int, chosen: Sequence[int], normed: Tensor) -> Tensor:
    """An MLP of which only some experts' neurons are at work: [T, D] → [T, D].

    Parameters
    ----------
    order
        The neurons, a permutation int64 [H]: the first H / experts of them are the first expert's, and so on.
    """
    at_work = torch.zeros(experts, len(order) // experts)
    at_work[list(chosen)] = 1
    of_neuron = torch.empty(len(order))
    of_neuron[order] = at_work.flatten()
    return (torch.nn.functional.silu(normed @ layer.gate.T) * (normed @ layer.up.T) * of_neuron) @ layer.down.T


class ExpertCache:
    """A least-recently-used cache of experts, a set a layer.

    Parameters
    ----------
    layers, ways
        Sets, and experts each holds.
    """

    def __init__(self, layers: int, ways: int) -> None:
        self.sets = [ExpertSet.empty(ways) for _ in range(layers)]

    def access(self, layer: int, experts: Sequence[int], pin: bool, prefetch: bool) -> list[Lookup]:
        """Look up distinct experts and bring in the missing ones; a prefetch differs only in a device's counters."""
        self.sets[layer], lookups = self.sets[layer].access(experts, pin)
        return lookups

    def release(self, layer: int, experts: Sequence[int]) -> None:
        """Unpin experts."""
        self.sets[layer], _ = self.sets[layer].release(experts)
