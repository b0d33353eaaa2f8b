"""Tiny models of every family that a program can be compiled for, their linear layers compressed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from formats.decoder.program import Program
from formats.trellis_matrix import TrellisMatrix
from golden_models.integer_decoder.execution import IntegerDecoder
from golden_models.integer_decoder.operations import IntegerMatrix
from golden_models.openelm import OpenELM, OpenELMParameters
from sw_runtime.decoder.families import openelm_parts, transformers_parts
from sw_runtime.decoder.parts import DecoderParts
from sw_runtime.methods.m2r2.residuals import Adapter
from sw_runtime.nn.trellis_linear import TrellisLinear
from tests.models import TINY
from tests.sw_runtime.device.matrices import random_matrix

POSITIONS = 40
SIZES: dict[str, Any] = TINY | {"head_dim": 16, "tie_word_embeddings": False, "vocab_size": 121}
"""An odd vocabulary: two scales of its rows share a word, but the last."""

ROTARY = {"rope_type": "default", "rope_theta": 1e4}

MODELS: dict[str, Callable[[], Any]] = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZES)),
    "llama with biases": lambda: LlamaForCausalLM(LlamaConfig(**SIZES, attention_bias=True, mlp_bias=True)),
    "llama 3": lambda: LlamaForCausalLM(
        LlamaConfig(
            **SIZES
            | {
                "rope_parameters": ROTARY
                | {
                    "rope_type": "llama3",
                    "factor": 8.0,
                    "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 16,
                }
            }
        )
    ),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**SIZES, sliding_window=5)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES)),
    "qwen3": lambda: Qwen3ForCausalLM(
        Qwen3Config(**SIZES, use_sliding_window=True, sliding_window=6, max_window_layers=1)
    ),
    "gemma3": lambda: Gemma3ForCausalLM(
        Gemma3TextConfig(
            **SIZES
            | {"rope_parameters": {"full_attention": ROTARY | {"rope_theta": 1e6}, "sliding_attention": ROTARY}},
            sliding_window=5,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            query_pre_attn_scalar=24,
        )
    ),
}
"""Models of transformers, three layers 64 wide."""

OPENELM = OpenELMParameters(layers=3, dim=64, head_dim=16, vocabulary=120, query_groups=2, ffn_divisor=32)


def compressed(linear: nn.Linear, seed: int, format_: str = "trellis-4bit") -> TrellisLinear:
    """A layer of the same shape of random trellis words, rows about as long as those of a layer at its start."""
    matrix = random_matrix(format_, linear.out_features, linear.in_features, seed)
    assert isinstance(matrix, TrellisMatrix)
    scales = 1 / matrix.integers().float().norm(dim=1) * (0.5 + torch.rand(linear.out_features))
    layer = TrellisLinear(linear.in_features, linear.out_features, matrix.trellis_format, linear.bias is not None)
    layer.load_state_dict(
        TrellisLinear.stored_tensors(replace(matrix, scales=scales))
        | ({} if linear.bias is None else {"bias": torch.randn(linear.out_features)})
    )
    return layer


def compress(model: nn.Module, formats: Sequence[str] = ("trellis-4bit",)) -> None:
    """Compress every linear layer in its place, in one format after the other, and draw the weights of the norms."""
    for seed, (name, linear) in enumerate(list(model.named_modules())):
        if isinstance(linear, nn.Linear):
            owner, _, attribute = name.rpartition(".")
            layer = compressed(linear, seed, formats[seed % len(formats)])
            setattr(model.get_submodule(owner), attribute, layer)
        elif name.endswith("norm"):
            nn.init.uniform_(linear.weight, 0.5, 1.5)


def tiny_model(family: str, formats: Sequence[str] = ("trellis-4bit",)) -> Any:
    """One of ``MODELS``, compressed; its embeddings differ enough to matter."""
    torch.manual_seed(0)
    model = MODELS[family]().eval()
    compress(model, formats)
    nn.init.normal_(model.get_input_embeddings().weight)
    return model


class TinyOpenELM:
    """An OpenELM, compressed, and its embedding as a compressed head."""

    def __init__(self, formats: Sequence[str] = ("trellis-4bit",)) -> None:
        torch.manual_seed(0)
        self.model = OpenELM(OPENELM).eval()
        compress(self.model, formats)
        self.head = compressed(nn.Linear(OPENELM.dim, OPENELM.vocabulary, bias=False), 99)
        self.model.token_embeddings.weight.data = self.head.decoded(torch.float32)

    def parts(self) -> DecoderParts:
        """What a program is compiled from."""
        return openelm_parts(self.model, self.head, POSITIONS)


def parts_of(model: Any) -> DecoderParts:
    """What a program is compiled from."""
    return transformers_parts(model, POSITIONS)


def random_adapter(seed: int, width: int = 64, rank: int = 6) -> Adapter:
    """M2R2's, of random weights; what it adds is about as long as what it is given."""
    generator = torch.Generator().manual_seed(seed)
    up, down = torch.randn(width, rank, generator=generator), torch.randn(rank, width, generator=generator)
    return Adapter(up / width, down * rank**-0.5)


def golden_decoder(program: Program, parts: DecoderParts) -> IntegerDecoder:
    """The integer decoder over the parts' matrices; a layer that holds several is put together again."""
    whole: dict[str, list[IntegerMatrix]] = {}
    for product in parts.products:
        matrix = IntegerMatrix(product.matrix.integers(), product.matrix.unit_scales().bfloat16())
        whole.setdefault(product.place.name, []).append(matrix)
    matrices = {
        name: IntegerMatrix(torch.cat([part.integers for part in some]), torch.cat([part.scales for part in some]))
        for name, some in whole.items()
    }
    return IntegerDecoder(program, matrices)


def log_probabilities(keys: Tensor, program: Program) -> Tensor:
    """What keys of logits stand for: int64 [T, vocabulary] → float64."""
    return torch.ldexp(keys.double(), torch.tensor(program.key_exponent)).log_softmax(dim=-1)
