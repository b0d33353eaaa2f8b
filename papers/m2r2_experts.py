"""M2R2's experts: which of them are there when they are needed, and what loading them ahead of time saves."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from tqdm import tqdm

from formats.router.answer import Lookup
from papers.m2r2_cycles import ACTIVE, EXPERTS, Cycles
from sw_runtime.device.protocol import Device
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.m2r2.expert_gates import fit_expert_gates
from sw_runtime.methods.m2r2.experts import ExpertCache, LoadedExperts, choose_experts, predicted_layers
from sw_runtime.methods.m2r2.fast_stream import FastStream
from sw_runtime.methods.m2r2.fit import Window, follow
from sw_runtime.methods.m2r2.on_device import DeviceExpertCache
from sw_runtime.methods.m2r2.residuals import M2R2Parameters

LINKS = (64, 16, 8, 4, 1)
"""Bytes per cycle at which experts come from the slow memory: the first is as fast as the engine's own port."""

Figures = dict[str, float | str]


@dataclass(frozen=True)
class Fitted:
    """A decoder with everything that was fitted to it.

    Parameters
    ----------
    decoder
        Frozen.
    stream
        The one that runs ahead.
    expert_gates
        [EXPERTS, D] a layer.
    """

    decoder: Decoder
    stream: FastStream
    expert_gates: list[Tensor]

    @classmethod
    def to(cls, decoder: Decoder, parameters: M2R2Parameters, windows: Sequence[Window]) -> "Fitted":
        """Fit adapters and gates to texts that the decoder has read."""
        stream = FastStream.fit(decoder, windows, parameters)
        return cls(decoder, stream, fit_expert_gates(decoder, windows, EXPERTS))


@dataclass(frozen=True)
class Access:
    """A layer's experts, looked up for one token.

    Parameters
    ----------
    layer, experts
        Whose, and which.
    ready
        Of each, whether it was there or on its way.
    prefetch
        Whether they are only predicted.
    """

    layer: int
    experts: tuple[int, ...]
    ready: tuple[bool, ...]
    prefetch: bool


class NotedCache:
    """A cache of experts that notes what it is asked, in order.

    Parameters
    ----------
    cache
        Who decides.
    """

    def __init__(self, cache: ExpertCache) -> None:
        self.cache = cache
        self.accesses: list[Access] = []

    def access(self, layer: int, experts: Sequence[int], pin: bool, prefetch: bool) -> list[Lookup]:
        """As ``ExpertCache.access``."""
        lookups = self.cache.access(layer, experts, pin=pin, prefetch=prefetch)
        self.accesses.append(Access(layer, tuple(experts), tuple(lookup.hit for lookup in lookups), prefetch))
        return lookups

    def release(self, layer: int, experts: Sequence[int]) -> None:
        """As ``ExpertCache.release``."""
        self.cache.release(layer, experts)


@dataclass(frozen=True)
class MixtureCosts:
    """Cycles of the engine for a token of a mixture of experts.

    Parameters
    ----------
    before
        Of each layer, until its experts are known: attention, gates and adapters.
    expert
        Of each layer, for one expert.
    head
        Of the logits.
    """

    before: tuple[int, ...]
    expert: tuple[int, ...]
    head: int

    @classmethod
    def of(cls, cycles: Cycles, ahead: str, predicting: int, rate: int) -> "MixtureCosts":
        """With prediction in the first layers: by their own stream, or by the fast one, which shares their passes.

        Parameters
        ----------
        cycles
            Of the decoder.
        ahead
            ``"nothing"``, ``"slow"`` or ``"fast"``.
        predicting
            Layers that predict, from the first on.
        rate
            R.
        """
        layers = len(cycles.decoder.layers)
        before, expert = [], []
        for number in range(layers):
            predicts = ahead != "nothing" and number < predicting
            vectors = 2 if predicts and ahead == "fast" else 1
            gates = len(predicted_layers(number, rate, layers)) if predicts else 0
            adapter = cycles.adapter() if vectors == 2 else 0
            before.append(cycles.before_experts(vectors) + gates * cycles.gate(1) + adapter)
            expert.append(cycles.expert(vectors))
        return cls(tuple(before), tuple(expert), cycles.head(1))


class Link:
    """Loads experts one at a time: those that are needed before those that are only predicted.

    Parameters
    ----------
    load
        Cycles to load one expert; a load that has begun is not broken off.
    """

    def __init__(self, load: float) -> None:
        self.load, self.free = load, 0.0
        self._predicted: dict[tuple[int, int], float] = {}
        self._arrivals: dict[tuple[int, int], float] = {}

    def predict(self, layer: int, expert: int, now: float) -> None:
        """Ask for an expert that may be needed."""
        self._predicted[layer, expert] = now

    def arrivals(self, layer: int, experts: Sequence[int], ready: Sequence[bool], now: float) -> list[float]:
        """When a layer's experts are there, ascending; what is missing, or predicted and not begun, is loaded first."""
        for place, asked in list(self._predicted.items()):
            if max(self.free, asked) < now:
                self._take(place, asked)
        places = [(layer, expert) for expert in experts]
        for place, there in zip(places, ready, strict=True):
            if not there or place in self._predicted:
                self._take(place, now)
        return sorted(self._arrivals.get(place, 0.0) for place in places)

    def _take(self, place: tuple[int, int], asked: float) -> None:
        self._predicted.pop(place, None)
        self.free = max(self.free, asked) + self.load
        self._arrivals[place] = self.free


def decoding_cycles(accesses: Sequence[Access], costs: MixtureCosts, load: float) -> float:
    """Cycles from the first token to the last one's logits: the engine computes while experts are loaded.

    The engine takes a layer's experts as they arrive.

    Parameters
    ----------
    accesses
        Of all tokens, as a cache answered them.
    costs
        Of the engine.
    load
        Cycles to load one expert.
    """
    engine, link = 0.0, Link(load)
    for access in accesses:
        if access.prefetch:
            for expert, ready in zip(access.experts, access.ready, strict=True):
                if not ready:
                    link.predict(access.layer, expert, engine)
            continue
        engine += costs.before[access.layer]
        for arrival in link.arrivals(access.layer, access.experts, access.ready, engine):
            engine = max(engine, arrival) + costs.expert[access.layer]
        if access.layer == len(costs.before) - 1:
            engine += costs.head
    return engine


def expert_hits(fitted: Fitted, cache: ExpertCache, windows: Sequence[Window], ahead: str) -> LoadedExperts[int]:
    """Experts of the texts' tokens through a cache.

    Parameters
    ----------
    cache
        Empty, a set a layer.
    ahead
        What predicts experts: ``"nothing"``, the ``"slow"`` stream or the ``"fast"`` one.
    """
    decoder, layers = fitted.decoder, len(fitted.decoder.layers)
    loaded = LoadedExperts([range(EXPERTS)] * layers, cache)
    for window in windows:
        needed = [_gate_logits(fitted, number, window.attended[number]) for number in range(layers)]
        source = {"nothing": [], "slow": window.slow, "fast": follow(decoder, fitted.stream.adapters, window)}[ahead]
        predicted = {
            later: _gate_logits(fitted, later, source[number])
            for number in range(min(len(source), len(fitted.stream.adapters)))
            for later in predicted_layers(number, fitted.stream.parameters.rate, layers)
        }
        for token in tqdm(range(len(needed[0])), desc=f"experts, predicted by {ahead}", unit="token"):
            for number in range(layers):
                for later in predicted_layers(number, fitted.stream.parameters.rate, layers):
                    if later in predicted:
                        loaded.prefetch(later, choose_experts(predicted[later][token], ACTIVE))
                loaded.need(number, choose_experts(needed[number][token], ACTIVE))
    return loaded


def _gate_logits(fitted: Fitted, number: int, stream: Tensor) -> Tensor:
    """What a layer's expert gate makes of a stream: [T, D] → [T, EXPERTS]."""
    return fitted.decoder.mlp_input(fitted.decoder.layers[number], stream) @ fitted.expert_gates[number].T


@dataclass(frozen=True)
class Loading:
    """What loading ahead of time makes ready, and what it saves.

    Parameters
    ----------
    speed_ups
        Decoding speed over loading on demand, experts predicted by the fast stream, by the link's bytes per cycle.
    expert_bytes
        What loading one expert moves.
    figures
        By who predicts.
    """

    speed_ups: dict[int, float]
    expert_bytes: int
    figures: Figures


def load_experts(fitted: Fitted, device: Device, windows: Sequence[Window]) -> Loading:
    """Experts of the texts' tokens, predicted by nothing, by the slow stream and by the fast one."""
    layers, parameters = len(fitted.decoder.layers), fitted.stream.parameters
    cycles = Cycles(fitted.decoder, parameters.rank)
    figures: Figures = {}
    waited: dict[str, int] = {}
    spent: dict[str, dict[int, float]] = {}
    for ahead in ("nothing", "slow", "fast"):
        cache = NotedCache(DeviceExpertCache(device, layers))
        loaded = expert_hits(fitted, cache, windows, ahead)
        costs = MixtureCosts.of(cycles, ahead, len(fitted.stream.adapters), parameters.rate)
        spent[ahead] = {link: decoding_cycles(cache.accesses, costs, cycles.expert_bytes() / link) for link in LINKS}
        waited[ahead] = loaded.needed - loaded.ready
        figures |= {
            f"experts ready when needed, predicted by {ahead}, %": 100 * loaded.ready / loaded.needed,
            f"experts fetched for each needed, predicted by {ahead}": loaded.fetched / loaded.needed,
        }
    figures["expert misses, without prediction over with the fast stream"] = waited["nothing"] / waited["fast"]
    faster = {
        ahead: {link: spent["nothing"][link] / spent[ahead][link] for link in LINKS} for ahead in ("slow", "fast")
    }
    figures |= {
        f"speed over loading on demand, {link} bytes per cycle for experts, predicted by {ahead}, derived": ratio
        for ahead, by_link in faster.items()
        for link, ratio in by_link.items()
    }
    return Loading(faster["fast"], cycles.expert_bytes(), figures)
