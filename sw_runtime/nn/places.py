"""Places in a model that hold a matrix, and why every other weight stays dense."""

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from formats.errors import CheckpointError
from sw_runtime.nn.experts import taken_apart

NOT_CHOSEN = "layers not chosen"
"""Why a place stays dense that could be compressed."""


@dataclass(frozen=True)
class Place:
    """A layer that adds a bias to one product ``x @ weightsᵀ``, whichever way round it keeps its weights.

    Parameters
    ----------
    name
        The layer's name in the model.
    module
        ``nn.Linear``, or ``Conv1D`` of transformers, whose weights are transposed.
    """

    name: str
    module: nn.Module

    @property
    def kind(self) -> str:
        """What the layer's class is called."""
        return type(self.module).__name__

    @property
    def parameter(self) -> nn.Parameter:
        """The layer's own weights, as it keeps them."""
        parameter = self.module.weight
        assert isinstance(parameter, nn.Parameter)
        return parameter

    @property
    def weights(self) -> Tensor:
        """The weights, [rows, columns]: a view."""
        weights = self.parameter.detach()
        return weights.T if isinstance(self.module, Conv1D) else weights

    @property
    def rows(self) -> int:
        """Outputs of the layer."""
        return self.weights.shape[0]

    @property
    def columns(self) -> int:
        """Inputs of the layer."""
        return self.weights.shape[1]

    @property
    def bias(self) -> Tensor | None:
        """What the layer adds, [rows]."""
        bias = self.module._parameters.get("bias")
        return None if bias is None else bias.detach()

    def put(self, weights: Tensor) -> None:
        """Give the layer other weights, [rows, columns]: a parameter of its own, as another may share the old one."""
        own_way = weights.T.contiguous() if isinstance(self.module, Conv1D) else weights
        self.put_back(nn.Parameter(own_way, requires_grad=False))

    def put_back(self, parameter: nn.Parameter) -> None:
        """Give the layer the ``parameter`` that it had."""
        self.module.weight = parameter


def place_of(name: str, module: nn.Module | None) -> Place | None:
    """The place that a module is; None if it is not one product with its weights and a bias.

    A class derived from ``nn.Linear`` that computes otherwise is asked for an output, and is a place if that is
    the product.
    """
    if not isinstance(module, nn.Linear | Conv1D) or not isinstance(module._parameters.get("weight"), nn.Parameter):
        return None
    place = Place(name, module)
    plain = type(module).forward in (nn.Linear.forward, Conv1D.forward)
    return place if plain or _is_product(place) else None


def _is_product(place: Place) -> bool:
    if place.parameter.is_meta:  # a skeleton: the folder was checked when it was made
        return True
    inputs = torch.linspace(-1, 1, 2 * place.columns, dtype=place.parameter.dtype).view(1, 2, -1)
    try:
        with torch.no_grad():
            outputs = place.module(inputs)
            return torch.allclose(
                outputs, nn.functional.linear(inputs, place.weights, place.bias), rtol=1e-3, atol=1e-4
            )
    except Exception:  # whatever another class makes of one tensor; it is then no place
        return False


def place_in(model: nn.Module, name: str) -> Place:
    """The place of a name that is known to be one, so that it is not asked for an output again."""
    return Place(name, model.get_submodule(name))


def places(model: nn.Module) -> dict[str, Place]:
    """Every place of a model, by name."""
    found = ((name, place_of(name, module)) for name, module in model.named_modules())
    return {name: place for name, place in found if place is not None}


def chosen_places(model: nn.Module, pattern: str | None) -> dict[str, Place]:
    """The places to compress: those that a regular expression is found in, all without one.

    A place whose weights other layers share stays dense, unless it is the model's head and the input embedding the
    only other: those two are stored apart.

    Raises
    ------
    CheckpointError
        If there is none, naming some that there are.
    """
    every = {name: place for name, place in places(model).items() if not _shares_weights(model, place)}
    chosen = {name: place for name, place in every.items() if re.search(pattern or "", name)}
    if not chosen:
        raise CheckpointError(
            f"no linear layer's name matches {pattern!r}; the model has {', '.join(list(every)[:8]) or 'none'} …"
        )
    return chosen


def _shares_weights(model: nn.Module, place: Place) -> bool:
    tied: dict[str, str] = getattr(model, "all_tied_weights_keys", {})
    ties = {target for target, source in tied.items() if f"{place.name}.weight" in (target, source)}
    return bool(ties) and (ties != {f"{place.name}.weight"} or len(tied) > 1)


def reason_dense(model: Any, parameter_name: str) -> str:
    """Why a parameter stays dense, said for the class of the layer that holds it."""
    name, _, own_name = parameter_name.rpartition(".")
    module = model.get_submodule(name)
    parameter = model.get_parameter(parameter_name)
    if parameter.dim() == 3 and "expert" in f"{name} {type(module).__name__}".lower():
        return NOT_CHOSEN if taken_apart(module) else f"experts fused in one tensor, {type(module).__name__}.{own_name}"
    if parameter.dim() < 2:
        return "vectors"
    if isinstance(module, nn.Embedding):
        return "embeddings, rows are looked up"
    place = place_of(name, module)
    if place is not None and own_name == "weight":
        return "shared with another layer" if _shares_weights(model, place) else NOT_CHOSEN
    if isinstance(module, nn.Linear):
        return f"{type(module).__name__}, more than a product"
    return f"{type(module).__name__}, no linear layer"
