"""Whether a model's weights are plain floating-point numbers: what was quantised once is not compressed again."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from formats.errors import CheckpointError
from sw_runtime.nn.attach import compressed_linears
from sw_runtime.nn.checkpoint import names_in_model
from sw_runtime.nn.quantizer import METHODS
from sw_runtime.nn.shards import FLOATS, StoredTensor

REMEDY = "give the original model"

MARKS = frozenset(
    {
        "SCB",
        "W_q",
        "_data",
        "_scale",
        "absmax",
        "g_idx",
        "quant_map",
        "qweight",
        "qzeros",
        "weight_packed",
        "weight_scale",
        "weight_scale_inv",
        "weight_zero_point",
    }
)
"""Last parts of tensors' names that only quantised layers have: ours, GPTQ, AWQ, bitsandbytes, compressed-tensors,
quanto, HQQ, fine-grained float8."""

QUANTISERS = frozenset(
    {"auto_round", "awq", "bitsandbytes", "compressed_tensors", "gptqmodel", "hqq", "optimum", "quark", "torchao"}
)
"""Packages whose layers take the place of linear ones."""


def check_config(config: Any, place: str) -> None:
    """Refuse a configuration of a quantised model.

    Parameters
    ----------
    config
        A transformers configuration.
    place
        What the message calls the model.

    Raises
    ------
    CheckpointError
        Naming the kind of quantisation.
    """
    for part in (config, config.get_text_config()):
        for key in ("quantization_config", "compression_config"):
            quantization = getattr(part, key, None)
            if quantization:
                fields = quantization if isinstance(quantization, dict) else getattr(quantization, "__dict__", {})
                found = fields.get("quant_method", quantization)
                method = str(getattr(found, "value", found))
                if method in METHODS:
                    raise CheckpointError(f"{place} is compressed already; {REMEDY}")
                raise CheckpointError(f"{place} is quantised already ({method}, as its {key} says); {REMEDY}")


def check_names(names: Iterable[str], place: str) -> None:
    """Refuse tensors that only quantised layers have.

    Raises
    ------
    CheckpointError
        Naming the first.
    """
    for name in names:
        if MARKS & {name.rpartition(".")[2]} or ".quant_state." in name:
            raise CheckpointError(f"{place} is quantised already (it has the tensor {name}); {REMEDY}")


def check_stored_dtypes(model: Any, tensors: dict[str, StoredTensor]) -> None:
    """Refuse integers or float8 numbers in files that stand for a float tensor of the model: they need a scale.

    Raises
    ------
    CheckpointError
        Naming tensor, file and dtype of the first.
    """
    name_in_model, state = names_in_model(model), model.state_dict()
    for name, stored in tensors.items():
        target = state.get(name_in_model(name))
        if target is not None and target.is_floating_point() and stored.dtype not in FLOATS.values():
            raise CheckpointError(
                f"tensor {name} in {stored.file} is {stored.dtype} without a scale, where the model has floating-point "
                f"numbers; {REMEDY}"
            )


def check_model_is_plain(model: nn.Module) -> None:
    """Refuse a loaded model whose linear layers hold anything but plain numbers.

    Raises
    ------
    CheckpointError
        If it is compressed or quantised already, or has tensors without values, naming the first.
    """
    kind = type(model).__name__
    if compressed_linears(model):
        raise CheckpointError(f"the {kind} is compressed already; {REMEDY}")
    check_config(model.config, f"the {kind}")
    tensors = model.state_dict(keep_vars=True)
    check_names(tensors, f"the {kind}")
    for name, tensor in tensors.items():
        if isinstance(tensor, Tensor) and tensor.is_meta:
            raise CheckpointError(
                f"{name} of the {kind} has no values (it is on the meta device); load the model whole"
            )
        if isinstance(tensor, Tensor) and type(tensor.data) is not Tensor:
            raise CheckpointError(
                f"the {kind} is quantised already ({name} is a {type(tensor.data).__name__}); {REMEDY}"
            )
    for name, module in model.named_modules():
        package = type(module).__module__.partition(".")[0]
        if package in QUANTISERS:
            raise CheckpointError(
                f"the {kind} is quantised already ({name} is a {type(module).__name__} of {package}); {REMEDY}"
            )
        weight = getattr(module, "weight", None)
        if isinstance(module, nn.Linear) and isinstance(weight, Tensor) and weight.dtype not in FLOATS:
            raise CheckpointError(f"the {kind} is quantised already ({name}.weight is {weight.dtype}); {REMEDY}")
