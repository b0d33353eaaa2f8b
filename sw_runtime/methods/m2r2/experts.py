"""Experts loaded ahead of time: the fast stream predicts which ones a layer further up will need.

At layer i the fast stream is like the slow one at layer R·i, so the gates from there on, applied to
it, name experts that can be fetched while the layers in between run. A guess changes no result: what
is needed and missing is loaded when it is needed. Mixtures of experts here are split from a dense
MLP, whose neurons are shared out; all experts together are the MLP.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import silu

from formats.errors import InputError
from formats.router.answer import Lookup
from formats.router.numbers import SQ7_16
from sw_runtime.methods.decoder import DecoderLayer, dense_weight


@dataclass(frozen=True)
class Expert:
    """Some neurons of an MLP: [H, D], [H, D], [D, H]."""

    gate: Tensor
    up: Tensor
    down: Tensor

    def __call__(self, normed: Tensor) -> Tensor:
        """[T, D] → [T, D]."""
        return (silu(normed @ self.gate.T) * (normed @ self.up.T)) @ self.down.T


def split_mlp(layer: DecoderLayer, order: Tensor, experts: int) -> list[Expert]:
    """Share out a layer's neurons: their order, a permutation int64 [H] → experts of H / experts neurons each.

    Raises
    ------
    InputError
        If the neurons cannot be shared out evenly.
    """
    if len(order) % experts:
        raise InputError(f"{len(order)} neurons cannot be shared out evenly among {experts} experts")
    gate, up, down = (dense_weight(product) for product in (layer.gate, layer.up, layer.down))
    return [Expert(gate[group], up[group], down[:, group]) for group in order.view(experts, -1)]


def choose_experts(logits: Tensor, active: int) -> list[int]:
    """The experts of the largest gate logits, ascending: [experts] of one token; the first ones among equals."""
    order = SQ7_16.quantise(logits).argsort(descending=True, stable=True)
    chosen: list[int] = order[:active].sort().values.tolist()
    return chosen


def predicted_layers(layer: int, rate: int, layers: int) -> range:
    """The layers whose experts are predicted at a layer: from R·i on up to the next one's, but none that is due."""
    return range(max(rate * layer, layer + 1), min(rate * (layer + 1), layers))


class ExpertCache(Protocol):
    """A least-recently-used cache of experts, a set a layer."""

    def access(self, layer: int, experts: Sequence[int], pin: bool, prefetch: bool) -> list[Lookup]:
        """Look up distinct experts and bring in the missing ones."""

    def release(self, layer: int, experts: Sequence[int]) -> None:
        """Unpin experts."""


Weights = TypeVar("Weights")
"""Of an expert: an ``Expert``, or whatever stands for one where nothing is computed."""


class LoadedExperts(Generic[Weights]):
    """Experts' weights on a device, in the ways of its cache; those of all layers lie in a slow memory.

    Parameters
    ----------
    stored
        The slow memory: experts of each layer.
    cache
        Who decides which way an expert takes.

    Attributes
    ----------
    ready, needed
        Experts that were there when a layer needed them, and all that were needed.
    fetched
        Loads from the slow memory, predicted ones included.
    """

    def __init__(self, stored: Sequence[Sequence[Weights]], cache: ExpertCache) -> None:
        self.stored, self.cache = stored, cache
        self.ready, self.needed, self.fetched = 0, 0, 0
        self._ways: dict[tuple[int, int], Weights] = {}
        self._pinned: dict[int, Sequence[int]] = {}

    def prefetch(self, layer: int, experts: Sequence[int]) -> None:
        """Fetch the experts that a layer is going to need, and keep them until it has run."""
        for expert, lookup in zip(experts, self.cache.access(layer, experts, pin=True, prefetch=True), strict=True):
            self._place(layer, expert, lookup)
        self._pinned[layer] = experts

    def need(self, layer: int, experts: Sequence[int]) -> list[Weights]:
        """The experts of one token at a layer, out of their ways; what is missing is loaded first."""
        lookups = dict(zip(experts, self.cache.access(layer, experts, pin=False, prefetch=False), strict=True))
        used: dict[int, Weights] = {}
        for expert in sorted(experts, key=lambda expert: not lookups[expert].hit):  # a miss may evict what was used
            used[expert] = self._place(layer, expert, lookups[expert])
        self.ready += sum(lookup.hit for lookup in lookups.values())
        self.needed += len(experts)
        if layer in self._pinned:
            self.cache.release(layer, self._pinned.pop(layer))
        return [used[expert] for expert in experts]

    def _place(self, layer: int, expert: int, lookup: Lookup) -> Weights:
        """An expert where the cache wants it; one that found every way pinned is used once and kept nowhere."""
        self.fetched += not lookup.hit
        if lookup.no_way:
            return self.stored[layer][expert]
        if not lookup.hit:
            self._ways[layer, lookup.way] = self.stored[layer][expert]
        return self._ways[layer, lookup.way]


def run_experts(experts: Sequence[Expert], normed: Tensor) -> Tensor:
    """Sum of some experts of a layer: [T, D] → [T, D]."""
    return torch.stack([expert(normed) for expert in experts]).sum(dim=0)
