"""Which models a program can be compiled for, and how their layers are found."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from formats.decoder.tables import GATES
from formats.errors import InputError
from sw_runtime.decoder.adapters import adapted_product
from sw_runtime.decoder.constants import MOST_POSITIONS, rotary_rows
from sw_runtime.decoder.parts import DecoderParts, Layer, Norm, rows_of
from sw_runtime.progress import progress_bar

FAMILIES = ("gemma3_text", "llama", "mistral", "qwen2", "qwen3")
"""Model types of transformers whose layers have the same names and the same order of operations."""

FIXED_ROTARY = ("default", "linear", "llama3", "yarn")
"""Rotary embeddings whose angles do not depend on a text's length."""


def transformers_parts(model: Any, positions: int) -> DecoderParts:
    """Parts of a causal language model of transformers, its linear layers compressed, perhaps with peft's adapters.

    A bar counts the layers.

    Of a model that peft wraps give ``get_base_model()``.

    Raises
    ------
    InputError
        If the model is of another family or does what no command does, naming it; see also ``adapted_product``.
    """
    config = model.config
    _check_supported(config)
    kinds = tuple(dict.fromkeys(_attention_kind(config, i) for i in range(len(model.model.layers))))
    names = {id(module): name for name, module in model.named_modules()}
    modules = progress_bar(model.model.layers, "reading the layers", unit="layer", leave=False)
    layers = [_layer(layer, i, config, names, kinds) for i, layer in enumerate(modules)]
    rows = [rotary_rows(*_frequencies(model.model.rotary_emb, kind), positions) for kind in kinds]
    return DecoderParts(
        tuple(layers),
        _norm(model.model.norm, config),
        adapted_product(names[id(model.lm_head)], model.lm_head),
        tuple(rows),
    )


def longest_context(config: Any) -> int:
    """Positions of a model of transformers, at most ``MOST_POSITIONS``.

    Raises
    ------
    InputError
        If its ``max_position_embeddings`` is no number of positions.
    """
    positions = config.max_position_embeddings
    if not isinstance(positions, int) or isinstance(positions, bool) or positions < 1:
        raise InputError(f"config.json says max_position_embeddings {positions!r}; set it to the model's, 1 or more")
    return min(positions, MOST_POSITIONS)


def _frequencies(rotary: Any, kind: str) -> tuple[Tensor, float]:
    """Angles a position, [d/2], and what multiplies cosines and sines, of one kind of attention."""
    prefix = f"{kind}_" if hasattr(rotary, f"{kind}_inv_freq") else ""
    return getattr(rotary, f"{prefix}inv_freq"), getattr(rotary, f"{prefix}attention_scaling")


def _attention_kind(config: Any, layer: int) -> str:
    kinds = getattr(config, "layer_types", None)
    return kinds[layer] if kinds else "full_attention"


def _window(config: Any, layer: int) -> int | None:
    kinds, window = getattr(config, "layer_types", None), getattr(config, "sliding_window", None)
    return window if not kinds or kinds[layer] == "sliding_attention" else None


def _norm(module: Any, config: Any) -> Norm:
    weight = module.weight.detach().float()
    return Norm(weight + 1 if config.model_type == "gemma3_text" else weight, config.rms_norm_eps)


def _layer(module: Any, index: int, config: Any, names: dict[int, str], kinds: tuple[str, ...]) -> Layer:
    attention, mlp = module.self_attn, module.mlp
    sandwich = hasattr(module, "pre_feedforward_layernorm")

    def norm(owner: Any, name: str) -> Norm | None:
        return _norm(getattr(owner, name), config) if hasattr(owner, name) else None

    def projection(layer: nn.Module) -> Any:
        return adapted_product(names[id(layer)], layer)

    return Layer(
        attention_norm=_norm(module.input_layernorm, config),
        query=projection(attention.q_proj),
        key=projection(attention.k_proj),
        value=projection(attention.v_proj),
        output=projection(attention.o_proj),
        mlp_norm=_norm(module.pre_feedforward_layernorm if sandwich else module.post_attention_layernorm, config),
        gate=projection(mlp.gate_proj),
        up=projection(mlp.up_proj),
        down=projection(mlp.down_proj),
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        score_scale=attention.scaling,
        activation=_activation(config),
        rotary=kinds.index(_attention_kind(config, index)),
        window=_window(config, index),
        query_norm=norm(attention, "q_norm"),
        key_norm=norm(attention, "k_norm"),
        attended_norm=_norm(module.post_attention_layernorm, config) if sandwich else None,
        mlp_output_norm=norm(module, "post_feedforward_layernorm"),
    )


def _activation(config: Any) -> str:
    return str(getattr(config, "hidden_act", None) or config.hidden_activation)


def _check_supported(config: Any) -> None:
    """Refuse what no command does.

    Raises
    ------
    InputError
        Naming it.
    """
    if config.model_type not in FAMILIES:
        raise InputError(f"programs are compiled for {', '.join(FAMILIES)}, not for {config.model_type}")
    if not 0 < config.rms_norm_eps < math.inf:
        raise InputError(
            f"config.json says rms_norm_eps {config.rms_norm_eps}; a norm of a program needs a number above 0, as 1e-5"
        )
    if _activation(config) not in GATES:
        raise InputError(f"gates of a program are {', '.join(GATES)}, not {_activation(config)}")
    for name in ("attn_logit_softcapping", "final_logit_softcapping"):
        if getattr(config, name, None) is not None:
            raise InputError(f"no command caps logits, and the model's {name} is {getattr(config, name)}")
    if getattr(config, "use_bidirectional_attention", False):
        raise InputError("no command attends to later tokens, and the model's use_bidirectional_attention is set")
    parameters = config.rope_parameters
    for rope in [parameters] if "rope_type" in parameters else parameters.values():
        if rope["rope_type"] not in FIXED_ROTARY:
            raise InputError(f"a program's rotary rows are {', '.join(FIXED_ROTARY)}, not {rope['rope_type']}")


def openelm_parts(model: Any, head: nn.Module, positions: int) -> DecoderParts:
    """Parts of an OpenELM, by the names of its authors' checkpoints: layers of unequal widths.

    Parameters
    ----------
    model
        What holds ``layers`` and ``norm``.
    head
        The embedding as a compressed layer.
    positions
        Longest context.

    Raises
    ------
    InputError
        As ``adapted_product``.
    """
    layers = []
    head_dim = len(model.layers[0].attn.q_norm.weight)
    for index, layer in enumerate(model.layers):
        attention, name = layer.attn, f"layers.{index}"
        fused, output = adapted_product(f"{name}.attn.qkv_proj", attention.qkv_proj), attention.out_proj
        heads = output.in_features // head_dim
        kv_heads = (fused.place.rows // head_dim - heads) // 2
        gates = adapted_product(f"{name}.ffn.proj_1", layer.ffn.proj_1)
        width = gates.place.rows // 2
        layers.append(
            Layer(
                attention_norm=Norm(layer.attn_norm.weight.detach(), layer.attn_norm.eps),
                query=rows_of(fused, 0, heads * head_dim),
                key=rows_of(fused, heads * head_dim, kv_heads * head_dim),
                value=rows_of(fused, (heads + kv_heads) * head_dim, kv_heads * head_dim),
                output=adapted_product(f"{name}.attn.out_proj", output),
                mlp_norm=Norm(layer.ffn_norm.weight.detach(), layer.ffn_norm.eps),
                gate=rows_of(gates, 0, width),
                up=rows_of(gates, width, width),
                down=adapted_product(f"{name}.ffn.proj_2", layer.ffn.proj_2),
                heads=heads,
                kv_heads=kv_heads,
                score_scale=head_dim**-0.5,
                activation="silu",
                query_norm=Norm(attention.q_norm.weight.detach(), attention.q_norm.eps),
                key_norm=Norm(attention.k_norm.weight.detach(), attention.k_norm.eps),
            )
        )
    base = model.layers[0].attn.rotary_base
    frequencies = base ** -(torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    norm = Norm(model.norm.weight.detach(), model.norm.eps)
    return DecoderParts(tuple(layers), norm, adapted_product("head", head), (rotary_rows(frequencies, 1.0, positions),))
