"""What M2R2's two streams cost on a device: in one pass over a layer's weights, and in a pass each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from papers.m2r2_cycles import Cycles
from papers.report import yes_or_no
from papers.seeds import as_seeds
from sw_runtime.device.protocol import Device
from sw_runtime.methods.decoder import Decoder, DecoderLayer, causal_mask
from sw_runtime.methods.m2r2.fast_stream import FastStream
from sw_runtime.methods.m2r2.residuals import read_prompt, run_both, run_layer

PRODUCTS = ("query", "key", "value", "output", "gate", "up", "down")


@contextmanager
def layer_on(device: Device, layer: DecoderLayer) -> Iterator[DecoderLayer]:
    """A layer whose matrices are seeds and lie on a device for as long as the context lasts."""
    products: dict[str, Any] = {}  # as `replace` takes them
    try:
        for name in PRODUCTS:
            products[name] = as_seeds(getattr(layer, name), "scaled-4bit")
            products[name].attach(device)
        yield replace(layer, **products)
    finally:
        for product in products.values():
            product.detach()


def sharing_figures(decoder: Decoder, stream: FastStream, device: Device, prompt: Tensor) -> dict[str, float | str]:
    """Both streams of a text's last token through the first layer, its products made by a device.

    Parameters
    ----------
    device
        Takes two vectors in a pass over the weights.
    prompt
        int64 [T], T at least 2.
    """
    token, position = prompt[-1:], torch.tensor([len(prompt) - 1])
    caches, cycles = read_prompt(decoder, prompt), Cycles(decoder, stream.parameters.rank)
    with layer_on(device, decoder.layers[0]) as layer:
        before = device.counters.cycles
        run_both(replace(decoder, layers=(layer,)), stream.adapters[:1], token, position, caches)
        shared = device.counters.cycles - before
        places, embedded = decoder.places(position), decoder.embed(token)
        caches[0].write(position, decoder.keys_values(layer, embedded, places))
        seen, mask = caches[0].first(len(prompt)), causal_mask(position, torch.arange(len(prompt)))
        for _ in ("slow", "fast"):
            run_layer(decoder, layer, embedded, places, seen, mask)
        apart = device.counters.cycles - before - shared
    counted = (cycles.both_streams(), cycles.streams_apart())
    return {
        "cycles of a layer, both streams in one pass over its weights": f"{shared:,}",
        "cycles of a layer, a pass for each stream": f"{apart:,}",
        "both as the timing of the engine has it": yes_or_no((shared, apart) == counted),
    }
