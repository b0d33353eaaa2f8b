"""How transformers comes to load compressed folders: importing this module registers ``seedlm``.

``import seedloom`` imports it while transformers is still being imported, so nothing here may import
transformers' models before one is loaded.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers.quantizers import HfQuantizer, register_quantization_config, register_quantizer
from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING
from transformers.utils.quantization_config import QuantizationConfigMixin

from formats.engine import format_names
from formats.errors import CheckpointError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

METHOD = "seedlm"
"""Name of the way the weights are stored."""

QUANT_METHOD = f"{METHOD} (pip install seedloom; import seedloom before loading)"
"""What a folder's config.json calls it: transformers and other loaders print this where it is not registered."""

METHODS = (QUANT_METHOD, METHOD)
"""What is registered: the bare name too, for folders whose config.json has no more."""


class SeedLMConfig(QuantizationConfigMixin):
    """``quantization_config`` of a compressed folder's ``config.json``.

    Parameters
    ----------
    format
        Format that layers have unless they are listed with another.
    modules
        Format of every compressed layer, by the layer's name.
    details
        Anything else the file says; kept, so that saving the model does not lose it.

    Raises
    ------
    CheckpointError
        If no layer is listed, or a format is missing or unknown.
    """

    def __init__(
        self,
        /,  # so that a file may say anything
        format: str | None = None,
        modules: dict[str, str] | None = None,
        quant_method: str = QUANT_METHOD,
        **details: Any,
    ) -> None:
        if not modules or not isinstance(modules, dict):
            raise CheckpointError("quantization_config lists no modules with their formats; compress the model again")
        known = format_names()
        for owner, name in {"format": format, **modules}.items():
            if name not in known:
                found = "no format (null)" if name is None else f"the unknown format {name!r}"
                raise CheckpointError(f"quantization_config gives {owner} {found}; known: {', '.join(known)}")
        self.quant_method = quant_method
        self.format = format
        self.modules = modules
        self.__dict__.update(details)


class SeedLMQuantizer(HfQuantizer):
    """Puts compressed layers in place before the weights are loaded, and refuses incomplete files."""

    quantization_config: SeedLMConfig

    @property
    def is_trainable(self) -> bool:
        """Whether adapters on compressed layers can be trained; seeds themselves have no gradient."""
        return True

    def is_serializable(self) -> bool:
        """``save_pretrained`` writes back the bytes that were loaded."""
        return True

    def validate_environment(self, *args: Any, **kwargs: Any) -> None:
        """Refuse to quantise on the fly.

        Raises
        ------
        CheckpointError
            If the folder is not compressed.
        """
        if not self.pre_quantized:
            raise CheckpointError("transformers cannot compress while it loads; run `seedloom compress` first")

    def _process_model_before_weight_loading(
        self, model: "PreTrainedModel", checkpoint_files: list[str] | None = None, **kwargs: Any
    ) -> "PreTrainedModel":
        from sw_runtime.nn.checkpoint import check_complete, place_compressed_linears
        from sw_runtime.nn.shards import read_headers

        if not checkpoint_files:
            raise CheckpointError("a compressed model is loaded from its folder, not from a state_dict")
        place_compressed_linears(model, self.quantization_config.modules)
        check_complete(model, read_headers(Path(file) for file in checkpoint_files))
        return model

    def _process_model_after_weight_loading(self, model: "PreTrainedModel", **kwargs: Any) -> "PreTrainedModel":
        from sw_runtime.nn.attach import compressed_linears
        from sw_runtime.nn.checkpoint import check_dense_of, check_scales_of

        check_scales_of(model)
        check_dense_of(model)
        for layer in compressed_linears(model).values():
            layer.reads_as_dense = not layer.stored_weight.is_meta  # accelerate moves offloaded bytes by their name
        return model

    def _dequantize(self, model: "PreTrainedModel", dtype: "torch.dtype | None" = None) -> "PreTrainedModel":
        """What ``model.dequantize()`` calls before it removes the ``quantization_config``."""
        from sw_runtime.nn.dequantize import dequantize

        dequantize(model, dtype)
        model.config.dtype = model.dtype
        return model


for method in METHODS:
    if method not in AUTO_QUANTIZER_MAPPING:  # a module may be executed again
        register_quantization_config(method)(SeedLMConfig)
        register_quantizer(method)(SeedLMQuantizer)
