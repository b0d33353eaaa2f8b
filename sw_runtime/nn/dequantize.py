"""A compressed model as an ordinary one: every compressed layer becomes the layer it was made of, decoded."""

from typing import TYPE_CHECKING

import torch
from torch import nn

from formats.arguments import check_types
from formats.errors import InputError
from sw_runtime.nn.attach import compressed_linears, detach
from sw_runtime.nn.device_linear import DeviceLinear
from sw_runtime.nn.experts import SeparateExperts, fused_again
from sw_runtime.nn.places import Place, place_in

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ADAPTED = ".base_layer"
"""Last part of the name of a layer to which peft adds an adapter."""


def dequantize(model: "PreTrainedModel", dtype: torch.dtype | None = None) -> None:
    """Put the layers of the model's class instead of its compressed ones, decoded weights in them.

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
        If an argument is of another type, the weights of a layer were left on disk, or an expert has an adapter of
        peft, naming it.
    """
    check_types(model=(model, nn.Module), dtype=(dtype, torch.dtype | None))
    layers = compressed_linears(model)
    for name, layer in layers.items():
        _check(model, name, layer)
    detach(model)
    cast = None if dtype == model.dtype else dtype  # parameters that a class keeps in float32 stay so
    if cast is not None:
        for parameter in model.parameters():
            parameter.data = parameter.data.to(cast)
    with torch.device("meta"):
        skeleton = type(model)(model.config)
    for name, layer in layers.items():
        place = _empty_place(model, skeleton, name, layer)
        _fill(place, layer, cast or layer.dtype)
        model.set_submodule(name, place.module.train(model.training))
    for name, module in list(model.named_modules()):
        if isinstance(module, SeparateExperts):
            model.set_submodule(name, fused_again(module, skeleton.get_submodule(name)))


def _check(model: nn.Module, name: str, layer: DeviceLinear) -> None:
    if layer.stored_weight.is_meta:
        raise InputError(f"the weights of {name} are offloaded to disk; load the model without a device_map")
    if name.endswith(ADAPTED) and _is_of_expert(model, name.removesuffix(ADAPTED)):
        raise InputError(f"{name.removesuffix(ADAPTED)} is an expert's, which takes no adapter; leave experts without")


def _is_of_expert(model: nn.Module, name: str) -> bool:
    mixture, *_ = name.rsplit(".", 2)
    return isinstance(model.get_submodule(mixture), SeparateExperts)


def _empty_place(model: nn.Module, skeleton: nn.Module, name: str, layer: DeviceLinear) -> Place:
    """The place that a layer was made of, without values; of an expert's a linear layer, fused later."""
    if _is_of_expert(model, name):
        return Place(name, nn.Linear(layer.in_features, layer.out_features, layer.bias is not None, device="meta"))
    return place_in(skeleton, name.removesuffix(ADAPTED))


def _fill(place: Place, layer: DeviceLinear, dtype: torch.dtype) -> None:
    """Give an empty layer the weights and the bias of a compressed one."""
    place.put(layer.decoded(dtype).to(layer.stored_weight.device))
    place.parameter.requires_grad_(True)
    if layer.bias is not None:
        place.module.bias = nn.Parameter(layer.bias.to(dtype))
