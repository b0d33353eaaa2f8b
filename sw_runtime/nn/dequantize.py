"""A compressed model as an ordinary one: every compressed layer becomes the layer it was made of, decoded."""

from typing import TYPE_CHECKING

import torch
from torch import nn

from formats.errors import InputError
from sw_runtime.nn.attach import compressed_linears, detach
from sw_runtime.nn.device_linear import DeviceLinear
from sw_runtime.nn.places import Place, place_in

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def dequantize(model: "PreTrainedModel", dtype: torch.dtype | None = None) -> None:
    """Put the layers of the model's class in the place of its compressed ones, decoded weights in them.

    The decoded weights are parameters, so the model can be trained. A model on a device is taken off it first.

    Parameters
    ----------
    model
        A loaded compressed model; its configuration is left as it is.
    dtype
        Of all parameters afterwards; every one keeps its own when not given. The weights are those that the
        compressed layers multiply with in this dtype, bit by bit.

    Raises
    ------
    InputError
        If the weights of a layer were left on disk, naming it.
    """
    layers = compressed_linears(model)
    for name, layer in layers.items():
        if layer.stored_weight.is_meta:
            raise InputError(f"the weights of {name} are offloaded to disk; load the model without a device_map")
    detach(model)
    cast = None if dtype == model.dtype else dtype  # parameters that a class keeps in float32 stay so
    if cast is not None:
        for parameter in model.parameters():
            parameter.data = parameter.data.to(cast)
    with torch.device("meta"):
        skeleton = type(model)(model.config)
    for name, layer in layers.items():
        place = place_in(skeleton, name.removesuffix(".base_layer"))  # as peft calls a layer with an adapter
        _fill(place, layer, cast or layer.dtype)
        model.set_submodule(name, place.module.train(model.training))


def _fill(place: Place, layer: DeviceLinear, dtype: torch.dtype) -> None:
    """Give an empty layer the weights and the bias of a compressed one."""
    place.put(layer.decoded(dtype).to(layer.stored_weight.device))
    place.parameter.requires_grad_(True)
    if layer.bias is not None:
        place.module.bias = nn.Parameter(layer.bias.to(dtype))
