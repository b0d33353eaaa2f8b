"""Before the search: does the model answer the same with compressed modules in the chosen places?

Models may look at a layer's weights themselves: cast to their dtype, slice them, or multiply without calling the layer.
The trial runs a few inputs through the model, once as it is and once with modules that are read and called
as compressed ones are, but hold the dense weights.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from formats.errors import CheckpointError
from formats.matrices import Matrix
from sw_runtime.fit.layerwise import after_every_stage
from sw_runtime.nn.device_linear import DeviceLinear
from sw_runtime.nn.places import Place

logger = logging.getLogger("seedloom.fit")

TOKENS = 8
"""Length of a trial's text."""

TOLERANCE = 1e-4
"""Largest difference of outputs, relative to the largest output: a transposed product is rounded otherwise."""


class _StandIn(DeviceLinear):
    """A compressed layer whose decoded weights are the dense ones: nothing is searched, stored or lost."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.columns, place.rows, 0, "dense", bias=False)
        self._place = place
        self.register_buffer("bias", place.bias)
        self._dtype = place.parameter.dtype
        self.reads_as_dense = True

    def decoded(self, dtype: torch.dtype) -> Tensor:
        """The dense weights, a view of the place's where the dtype is theirs."""
        return self._place.weights.to(dtype)

    def stored_matrix(self) -> Matrix:
        """A stand-in is on no device."""
        raise NotImplementedError

    @classmethod
    def empty(cls, in_features: int, out_features: int, format_name: str, bias: bool) -> "_StandIn":
        """A stand-in is made of a place."""
        raise NotImplementedError

    @staticmethod
    def stored_tensors(matrix: Matrix) -> dict[str, Tensor]:
        """A stand-in is in no file."""
        raise NotImplementedError

    def checks(self) -> dict[str, Callable[[Tensor], None]]:
        """A stand-in is in no file."""
        return {}


def try_compressed(model: Any, chosen: Mapping[str, Place], release: Callable[[], None] = lambda: None) -> None:
    """Compare a model with itself, compressed modules in the chosen places.

    A model that none of the trial's inputs suits is not tried; a warning says so.

    Parameters
    ----------
    release
        Called whenever a layer has run: may give back the memory of weights that are read again when used.

    Raises
    ------
    CheckpointError
        If an output differs, naming the first layer that makes it differ.
    """
    with after_every_stage(model, release):
        _try(model, chosen)


def _try(model: Any, chosen: Mapping[str, Place]) -> None:
    try:
        inputs = trial_inputs(model)
        expected = _outputs(model, inputs)
    except Exception as error:  # whatever a class raises that wants other inputs
        logger.warning("%s was not tried with compressed layers: %s", type(model).__name__, str(error).split("\n")[0])
        return
    if not all(tensor.isfinite().all() for tensor in expected if tensor.is_floating_point()):
        logger.warning("%s was not tried with compressed layers: its outputs overflow", type(model).__name__)
        return
    if _answers(model, inputs, expected, chosen):
        return
    for name, place in chosen.items():
        if not _answers(model, inputs, expected, {name: place}):
            raise CheckpointError(
                f"{type(model).__name__} answers otherwise when {name} is compressed, because it reads that layer's "
                f"weights itself; leave the layer dense with --modules '^(?!{name}$)'"
            )
    raise CheckpointError(f"{type(model).__name__} answers otherwise when it is compressed; choose layers by --modules")


def trial_inputs(model: Any) -> dict[str, Tensor]:
    """A few inputs of what a model reads first: tokens, an image, a spectrum or a sound.

    Raises
    ------
    NotImplementedError
        If it reads something else.
    """
    config = model.config
    tokens = (3 + torch.arange(TOKENS)[None]) % (getattr(config.get_text_config(), "vocab_size", None) or 1)
    inputs = {}
    if model.main_input_name == "input_ids":
        inputs["input_ids"] = tokens
    vision = getattr(config, "vision_config", config)
    size = getattr(vision, "image_size", None)
    if size and (model.main_input_name == "pixel_values" or not model.can_generate()):  # a chat may have no image
        height, width = (size, size) if isinstance(size, int) else size
        inputs["pixel_values"] = torch.linspace(-1, 1, vision.num_channels * height * width).view(1, -1, height, width)
    if model.main_input_name == "input_features":
        frames = 2 * getattr(config, "max_source_positions", TOKENS)
        inputs["input_features"] = torch.linspace(-1, 1, config.num_mel_bins * frames).view(1, -1, frames)
    if model.main_input_name == "input_values":
        inputs["input_values"] = torch.linspace(-1, 1, 4000)[None].sin()
    if config.is_encoder_decoder:
        inputs["decoder_input_ids"] = tokens
    if not inputs:
        raise NotImplementedError(f"it reads {model.main_input_name}")
    return {name: tensor.to(model.dtype) if tensor.is_floating_point() else tensor for name, tensor in inputs.items()}


def _outputs(model: nn.Module, inputs: dict[str, Tensor]) -> list[Tensor]:
    with torch.no_grad():
        found = model(**inputs)
    return [tensor for tensor in found.to_tuple() if isinstance(tensor, Tensor)]


def _answers(model: nn.Module, inputs: dict[str, Tensor], expected: list[Tensor], places: Mapping[str, Place]) -> bool:
    try:
        with _stand_ins(model, places):
            found = _outputs(model, inputs)
    except Exception:  # a model that does not run with the layer does not answer the same
        return False
    return all(_equal(one, other) for one, other in zip(found, expected, strict=True))


def _equal(one: Tensor, other: Tensor) -> bool:
    rounding = max(TOLERANCE, 8 * torch.finfo(other.dtype).eps) if other.is_floating_point() else 0.0
    return bool((one.float() - other.float()).abs().max() <= rounding * other.float().abs().max())


@contextmanager
def _stand_ins(model: nn.Module, places: Mapping[str, Place]) -> Iterator[None]:
    try:
        for name, place in places.items():
            model.set_submodule(name, _StandIn(place))
        yield
    finally:
        for name, place in places.items():
            model.set_submodule(name, place.module)
