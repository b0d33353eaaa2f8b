"""Low-rank adapters of the package peft on compressed layers: the seeds stay, what is added to them is trained."""

from typing import Any

from peft import LoraConfig
from peft.tuners import lora
from transformers.pytorch_utils import Conv1D

from formats.errors import InputError
from sw_runtime.nn.device_linear import DeviceLinear


class CompressedLora(lora.Linear):
    """peft's adapter of a linear layer, on a compressed one; once that is dense again, it can be merged into it."""

    def _get_in_out_features(self, module: DeviceLinear) -> tuple[int, int]:
        """What peft asks of a class that it knows; of another it warns."""
        return module.in_features, module.out_features

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Add the adapter to the layer's weights.

        Raises
        ------
        InputError
            If the layer is still compressed: seeds take no sum, and what is added would be lost.
        """
        layer = self.get_base_layer()
        if isinstance(layer, DeviceLinear):
            raise InputError("an adapter cannot be merged into seeds; call model.dequantize() first, then merge it")
        self.fan_in_fan_out = isinstance(layer, Conv1D)  # only now it is known which way round its weights are kept
        super().merge(safe_merge, adapter_names)


def register_lora(config: Any) -> Any:
    """Tell peft how to adapt compressed layers.

    Parameters
    ----------
    config
        A ``peft.LoraConfig``; its ``target_modules`` name the layers.

    Returns
    -------
    The same configuration, for ``peft.get_peft_model`` or ``peft.PeftModel.from_pretrained(…, config=…)``.

    Raises
    ------
    InputError
        If it is no configuration of low-rank adapters.
    """
    if not isinstance(config, LoraConfig):
        raise InputError(f"register_lora takes a peft.LoraConfig, not a {type(config).__name__}")
    config._register_custom_module({DeviceLinear: CompressedLora})
    return config
