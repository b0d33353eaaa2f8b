"""CPU time to the first token: transformers' own prefill, our dense loop and LazyLLM, in turn in one run."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeVar

import torch
from torch import Tensor

from formats.router.rates import Rate
from sw_runtime.device.protocol import Device
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.lazyllm.loop import LazyLLM, TokenSets
from sw_runtime.methods.lazyllm.on_device import RouterTokenSets
from sw_runtime.methods.lazyllm.schedule import LazyLLMParameters

Answer = TypeVar("Answer")


class TimedSets:
    """Sets of tokens on a device, and the CPU time that asking for them takes: the simulation's, not the method's.

    Parameters
    ----------
    sets
        Who keeps them.
    """

    def __init__(self, sets: TokenSets) -> None:
        self.sets, self.seconds = sets, 0.0

    def begin(self, tokens: int) -> None:
        """As ``TokenSets``."""
        self._timed(lambda: self.sets.begin(tokens))

    def enter(self, layer: int) -> tuple[Tensor, Tensor]:
        """As ``TokenSets``."""
        return self._timed(lambda: self.sets.enter(layer))

    def prune(self, layer: int, scores: Tensor, rate: Rate) -> tuple[Tensor, Tensor]:
        """As ``TokenSets``."""
        return self._timed(lambda: self.sets.prune(layer, scores, rate))

    def _timed(self, ask: Callable[[], Answer]) -> Answer:
        started = time.process_time()
        answer = ask()
        self.seconds += time.process_time() - started
        return answer


@dataclass(frozen=True)
class FirstToken:
    """Medians of the CPU time to the first token, in seconds.

    Parameters
    ----------
    transformers
        Of the model's own forward pass, which fills its cache and makes the last token's logits alone.
    dense
        Of our loop without rates.
    lazy
        Of our loop with rates. In both of ours, the time that the device takes is left out.
    """

    transformers: float
    dense: float
    lazy: float

    def figures(self, tokens: int) -> dict[str, float | str]:
        """By name."""
        name = f"first token after {tokens:,}"
        seconds = f"{self.transformers:.2f} / {self.dense:.2f} / {self.lazy:.2f}"
        return {
            f"{name}: CPU seconds, transformers / our dense loop / LazyLLM": seconds,
            f"{name}: transformers over LazyLLM": self.transformers / self.lazy,
            f"{name}: our dense loop over LazyLLM": self.dense / self.lazy,
            f"{name}: our dense loop over transformers": self.dense / self.transformers,
        }


def first_token(model: Any, device: Device, prompt: Tensor, rates: Mapping[int, Rate], runs: int) -> FirstToken:
    """Time each way several times, in turn, so that a busy machine slows all of them.

    Parameters
    ----------
    model
        A ``LlamaForCausalLM``.
    device
        With a router, which keeps the sets.
    prompt
        int64 [T].
    rates
        As in ``LazyLLMParameters``.
    runs
        Of each.
    """
    decoder = Decoder.of(model)
    taken = [
        (_transformers(model, prompt), _loop(decoder, device, prompt, {}), _loop(decoder, device, prompt, rates))
        for _ in range(runs)
    ]
    return FirstToken(*map(median, zip(*taken, strict=True)))


@torch.inference_mode()
def _transformers(model: Any, prompt: Tensor) -> float:
    started = time.process_time()
    model(prompt[None], use_cache=True, logits_to_keep=1)
    return time.process_time() - started


@torch.inference_mode()
def _loop(decoder: Decoder, device: Device, prompt: Tensor, rates: Mapping[int, Rate]) -> float:
    sets = TimedSets(RouterTokenSets(device, len(decoder.layers)))
    lazy = LazyLLM(decoder, LazyLLMParameters(rates), sets)
    started = time.process_time()
    lazy.step(prompt)
    return time.process_time() - started - sets.seconds
