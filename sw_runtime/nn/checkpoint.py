"""Compressed checkpoints: the layers they ask for, and whether their files hold every tensor.

transformers only warns when a checkpoint lacks a tensor and goes on with random weights; here it
is an error.
"""

from collections.abc import Callable, Iterable
from types import SimpleNamespace

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

from formats.errors import CheckpointError
from sw_runtime.nn.attach import compressed_linears
from sw_runtime.nn.device_linear import check_finite
from sw_runtime.nn.experts import SeparateExperts, by_mixture, fused_experts
from sw_runtime.nn.layer_classes import layer_class
from sw_runtime.nn.places import place_of
from sw_runtime.nn.shards import COPY_OR_COMPRESS, StoredTensor, name_tensors

SAFETENSORS_DTYPES = {torch.uint8: "U8", torch.int16: "I16", torch.bfloat16: "BF16", torch.float32: "F32"}
"""How safetensors calls the dtypes of a compressed layer."""

SCALES = "weight_scale"
"""Name of the buffer that holds a layer's scales."""


def place_compressed_linears(model: PreTrainedModel, modules: dict[str, str]) -> None:
    """Put an empty compressed layer instead of every linear layer that ``modules`` lists with its format.

    A class without the checkpoint's head (``AutoModel``) takes what it has.

    Raises
    ------
    CheckpointError
        If the model lacks a layer, it is not linear, or its weights are tied to another's.
    """
    _separate_listed_experts(model, modules)
    name_in_model = names_in_model(model)
    for stored_name, format_name in modules.items():
        name = name_in_model(f"{stored_name}.weight").removesuffix(".weight")
        module = _submodule(model, name)
        place = place_of(name, module)
        if module is None and not _is_checkpoints_class(model):
            continue
        if place is None:
            found = "no such layer" if module is None else type(module).__name__
            raise CheckpointError(
                f"config.json lists {stored_name} as a linear layer; {type(model).__name__} has {found}"
            )
        if f"{name}.weight" in model.all_tied_weights_keys:
            raise CheckpointError(
                f"{stored_name} is compressed, but config.json ties it: set tie_word_embeddings to false"
            )
        layer = layer_class(format_name).empty(place.columns, place.rows, format_name, place.bias is not None)
        model.set_submodule(name, layer.to(place.parameter.device, place.parameter.dtype))


def _separate_listed_experts(model: PreTrainedModel, names: Iterable[str]) -> None:
    """Take those mixtures of experts apart that hold a layer of the names."""
    fused, name_in_model = fused_experts(model), names_in_model(model)
    listed = {name_in_model(f"{mixture}.down_proj").removesuffix(".down_proj") for mixture, _ in by_mixture(names)}
    for mixture in listed & set(fused):
        model.set_submodule(mixture, SeparateExperts(fused[mixture]))


def check_complete(model: PreTrainedModel, tensors: dict[str, StoredTensor]) -> None:
    """Compare the files' headers with the model they are to fill, compressed layers in place.

    Raises
    ------
    CheckpointError
        Naming tensor and file, if one is missing, left over or not as its layer needs it.
    """
    name_in_model = names_in_model(model)
    stored = {name_in_model(name): tensor for name, tensor in tensors.items()}
    packed = {
        f"{layer}.{name}": tensor
        for layer, module in compressed_linears(model).items()
        for name, tensor in module.named_buffers()
        if name != "bias"
    }
    missing, left_over = _differences(model, set(stored))
    if not _is_checkpoints_class(model):  # another head: its own weights are new, the checkpoint's are unused
        missing &= set(packed)
        left_over = {name for name in left_over if _submodule(model, name.rpartition(".")[0]) is not None}
    if missing:
        files = ", ".join(sorted({str(tensor.file) for tensor in tensors.values()}))
        raise CheckpointError(f"{name_tensors(missing)} is missing from {files}; {COPY_OR_COMPRESS}")
    if left_over:
        name = min(left_over)
        raise CheckpointError(
            f"{name_tensors(left_over)} in {stored[name].file} belongs to no layer of {type(model).__name__}; "
            f"{COPY_OR_COMPRESS}"
        )
    for name, tensor in packed.items():
        found, wanted = stored[name], (SAFETENSORS_DTYPES[tensor.dtype], tuple(tensor.shape))
        if (found.dtype, found.shape) != wanted:
            raise CheckpointError(
                f"tensor {name} in {found.file} is {found.dtype} {list(found.shape)}, "
                f"but its layer needs {wanted[0]} {list(wanted[1])}; {COPY_OR_COMPRESS}"
            )


def check_scales_of(model: nn.Module) -> None:
    """Refuse a loaded model that would compute with a scale that is none.

    Raises
    ------
    CheckpointError
        Naming the tensor and the first such scale.
    """
    for name, layer in compressed_linears(model).items():
        check = layer.checks().get(SCALES)
        if check is None or layer.get_buffer(SCALES).is_meta:  # not loaded: weights left on disk
            continue
        try:
            check(layer.get_buffer(SCALES))
        except ValueError as error:
            raise CheckpointError(f"tensor {name}.{SCALES}: {error}") from error


def check_dense_of(model: nn.Module) -> None:
    """Refuse a loaded model with NaN or infinity in a tensor that is stored as it is.

    Raises
    ------
    CheckpointError
        Naming the first tensor.
    """
    for name, tensor in model.state_dict().items():
        if tensor.is_meta or not tensor.is_floating_point():  # not loaded, or words
            continue
        try:
            check_finite(tensor)
        except ValueError as error:
            raise CheckpointError(f"tensor {name}: {error}; {COPY_OR_COMPRESS}") from error


def names_in_model(model: PreTrainedModel) -> Callable[[str], str]:
    """transformers' own rule from a tensor's name in the files to its name in the model."""
    transforms = get_model_conversion_mapping(model)
    renamings = [transform for transform in transforms if isinstance(transform, WeightRenaming)]
    converters = [transform for transform in transforms if isinstance(transform, WeightConverter)]
    names = model.state_dict()

    def name_in_model(name: str) -> str:
        renamed: str = rename_source_key(name, renamings, converters, model.base_model_prefix, names)[0]
        if renamed not in names and name in names:
            return name
        return renamed

    return name_in_model


def _is_checkpoints_class(model: PreTrainedModel) -> bool:
    """Whether the model is of the class the checkpoint was written from."""
    return type(model).__name__ in (model.config.architectures or [])


def _submodule(model: nn.Module, name: str) -> nn.Module | None:
    try:
        return model.get_submodule(name)
    except AttributeError:
        return None


def _differences(model: PreTrainedModel, stored: set[str]) -> tuple[set[str], set[str]]:
    """Names missing and left over, less those the model's class declares harmless."""
    wanted = set(model.state_dict())
    keys = SimpleNamespace(
        missing_keys=wanted - stored - set(model.all_tied_weights_keys), unexpected_keys=stored - wanted
    )
    model._adjust_missing_and_unexpected_keys(keys)
    return keys.missing_keys, keys.unexpected_keys
