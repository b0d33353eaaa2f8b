"""SmolLM2's first layer, encoded: alone, matrix by matrix, and as a decoder."""

from typing import Any

import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from formats.matrices import Matrix
from formats.presets import PRESETS, TRELLIS_PRESETS
from formats.scales import row_scales
from sw_runtime.fit.trellis_range import encode_at_best_scales
from sw_runtime.nn.trellis_linear import TrellisLinear
from sw_runtime.search.search import encode_matrix
from sw_runtime.texts.packaged_models import smollm2_folder

MATRICES = (
    *(f"self_attn.{name}_proj" for name in ("q", "k", "v", "o")),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
)


def real_matrix(name: str, weight_format: str) -> Matrix:
    """One of ``MATRICES``."""
    with safe_open(smollm2_folder() / "model.safetensors", "pt") as tensors:
        return _encoded(tensors.get_tensor(f"model.layers.0.{name}.weight"), weight_format)


def real_decoder(weight_format: str, vocabulary: int) -> Any:
    """A causal language model of the layer, the last norm and the head's first rows; all products are encoded."""
    model = AutoModelForCausalLM.from_pretrained(smollm2_folder(), num_hidden_layers=1).eval()
    head = nn.Linear(model.config.hidden_size, vocabulary, bias=False)
    head.weight.data = model.lm_head.weight.detach()[:vocabulary]
    model.lm_head = head
    for name, linear in list(model.named_modules()):
        if isinstance(linear, nn.Linear):
            owner, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(owner), attribute, _layer(linear.weight.detach(), weight_format))
    return model


def embeddings_of(model: Any, tokens: list[int]) -> NDArray[Any]:
    """What a host sends for tokens: [T, dim]."""
    embeddings: NDArray[Any] = model.get_input_embeddings()(torch.tensor(tokens)).detach().numpy()
    return embeddings


def _layer(weights: Tensor, weight_format: str) -> TrellisLinear:
    rows, columns = weights.shape
    layer = TrellisLinear(columns, rows, TRELLIS_PRESETS[weight_format])
    layer.load_state_dict(TrellisLinear.stored_tensors(_encoded(weights, weight_format)))
    return layer


def _encoded(weights: Tensor, weight_format: str) -> Matrix:
    if weight_format in PRESETS:
        return encode_matrix(weights, PRESETS[weight_format])
    trellis_format = TRELLIS_PRESETS[weight_format]
    return encode_at_best_scales(weights, trellis_format, row_scales(weights, trellis_format))
