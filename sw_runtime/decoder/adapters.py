"""Adapters of low rank as products of a program: peft's beside a layer's product, M2R2's beside a whole layer."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from formats.decoder.program import MatrixPlace
from formats.errors import InputError
from sw_runtime.decoder.parts import DecoderParts, LowRank, Product, product
from sw_runtime.fit.encoders import Inputs, encoder_of
from sw_runtime.fit.workers import Threads
from sw_runtime.methods.m2r2.residuals import Adapter


def low_rank(name: str, down: Tensor, up: Tensor, format_name: str) -> LowRank:
    """An adapter whose two matrices are encoded by their weights alone.

    Parameters
    ----------
    name
        Of what it stands beside; the matrices are called after it.
    down, up
        Real [rank, columns] and [rows, rank].
    format_name
        Of a format with a scale per row.
    """

    def encoded(part: str, weights: Tensor) -> Product:
        weights = weights.detach().float().contiguous()
        (matrix,) = encoder_of(format_name).encode([weights], "plain", Inputs(None), Threads(1), None)
        return Product(MatrixPlace(f"{name}.{part}", format_name, *weights.shape), matrix, None)

    return LowRank(encoded("adapter_down", down), encoded("adapter_up", up))


def adapted_product(name: str, layer: nn.Module) -> Product:
    """The product of a compressed layer, with what peft's adapter adds to it, in the format of the layer's matrix.

    Raises
    ------
    InputError
        If several adapters are active, or one adds more than a product of low rank; see also ``product``.
    """
    if not hasattr(layer, "lora_A"):
        return product(name, layer)
    adapted: Any = layer
    whole = product(name, adapted.base_layer)
    if adapted.disable_adapters:
        return whole
    if len(adapted.active_adapters) != 1:
        raise InputError(
            f"{name} has the adapters {', '.join(adapted.active_adapters)}; a program takes one: set one active"
        )
    (active,) = adapted.active_adapters
    if active in adapted.lora_variant or adapted.lora_B[active].bias is not None:
        raise InputError(f"{name}: a program's adapter is up · (down · x); train it without use_dora and lora_bias")
    down, up = adapted.lora_A[active].weight, adapted.lora_B[active].weight
    return replace(whole, adapter=low_rank(name, down, up * adapted.scaling[active], whole.place.format))


def with_fast_stream(parts: DecoderParts, adapters: Sequence[Adapter], format_name: str) -> DecoderParts:
    """A decoder whose first layers have M2R2's adapters beside them: its stream is the one that runs ahead.

    Parameters
    ----------
    parts
        Of the model that the adapters were fitted to.
    adapters
        Of the first layers.
    format_name
        In which they are stored, with a scale per row.
    """
    first = [
        replace(layer, adapter=low_rank(f"fast_stream.{index}", adapter.down, adapter.up, format_name))
        for index, (layer, adapter) in enumerate(zip(parts.layers, adapters, strict=False))
    ]
    return replace(parts, layers=(*first, *parts.layers[len(first) :]))
