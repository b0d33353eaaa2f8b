"""A model on a device as the decoder that the papers' methods run on."""

from typing import Any

from torch import Tensor, nn
from transformers import LlamaForCausalLM

from golden_models.decoder import Decoder
from sw_runtime.nn.device_linear import DeviceLinear


class LayerProduct:
    """Stands for the weights in ``hidden_states @ weight.T``; the product is made where the layer makes it.

    Parameters
    ----------
    layer
        A linear layer, on the host or on a device.
    """

    def __init__(self, layer: nn.Linear | DeviceLinear) -> None:
        self.layer = layer
        self.shape = (layer.out_features, layer.in_features)
        self.T = self  # a layer multiplies by its transposed weights anyway

    def __rmatmul__(self, hidden_states: Tensor) -> Tensor:
        """[..., in] → [..., out]."""
        product: Tensor = self.layer(hidden_states)
        return product


def decoder_of(model: Any) -> Decoder:
    """The decoder inside a model, its products made by the model's own linear layers.

    Attention, norms and caches are those of ``golden_models.decoder``, on the host.

    Raises
    ------
    ValueError
        If the model is no plain Llama: the papers' methods are not defined here for others.
    """
    if not isinstance(model, LlamaForCausalLM):
        raise ValueError(f"pruning, exits and speculation take a LlamaForCausalLM, not {type(model).__name__}")
    config = model.config
    rope = config.rope_parameters["rope_type"]
    if config.attention_bias or config.mlp_bias or rope != "default":
        raise ValueError(
            f"pruning, exits and speculation take Llamas without biases and with rope type 'default', "
            f"not {rope!r} with attention_bias={config.attention_bias}, mlp_bias={config.mlp_bias}"
        )
    return Decoder.from_transformers(model, LayerProduct)
