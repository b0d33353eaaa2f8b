"""A compressed folder as a GGUF file for llama.cpp: every weight as float32, which holds any decoded weight exactly."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from torch import Tensor

from formats.errors import InputError
from sw_runtime.export.gguf_tokenizer import add_tokenizer
from sw_runtime.export.output import whole_output
from sw_runtime.nn.attach import compressed_linears
from sw_runtime.nn.folder import compressed_config
from sw_runtime.pretrained import load_model
from sw_runtime.progress import progress_bar

ARCHITECTURES = {
    "LlamaForCausalLM": gguf.MODEL_ARCH.LLAMA,
    "MistralForCausalLM": gguf.MODEL_ARCH.LLAMA,
    "Qwen2ForCausalLM": gguf.MODEL_ARCH.QWEN2,
    "Qwen3ForCausalLM": gguf.MODEL_ARCH.QWEN3,
}
"""What llama.cpp calls the classes that it computes exactly as transformers does."""


@dataclass(frozen=True)
class _Entry:
    """A tensor of the file, made when it is written."""

    name: str
    shape: tuple[int, ...]
    values: Callable[[], Tensor]


def export_gguf(folder: Path, output: Path) -> None:
    """Decode a compressed folder into one GGUF file, tokenizer included.

    One decoded matrix at a time is in memory, beside the compressed model.

    Parameters
    ----------
    folder
        The compressed folder.
    output
        The file to write; it may not be there, and ends with ``.gguf``.

    Raises
    ------
    InputError
        If llama.cpp does not compute what the model does or has no such tokenizer, saying what it lacks.
    FileExistsError
        If ``output`` is there.
    FileNotFoundError, CheckpointError
        If the folder is not a complete compressed model.
    OSError
        If it cannot be written.
    """
    if output.suffix != ".gguf":
        raise InputError(f"llama.cpp takes files whose names end with .gguf; name one, not {output}")
    config = compressed_config(folder)
    (class_name, *_) = config.architectures or [None]
    if class_name not in ARCHITECTURES:
        raise InputError(f"no GGUF file can be made of a {class_name}, only of {', '.join(ARCHITECTURES)}")
    with whole_output(output) as path:
        writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[ARCHITECTURES[class_name]])
        try:
            writer.add_name(folder.resolve().name)
            add_tokenizer(writer, folder, config.vocab_size)
            model = load_model(folder, dtype=torch.float32)
            _add_settings(writer, model.config)
            _write_tensors(writer, _entries(model, ARCHITECTURES[class_name]))
        finally:
            writer.close()


def _add_settings(writer: Any, config: Any) -> None:
    """What llama.cpp asks for of a model's configuration."""
    if config.hidden_act != "silu":
        raise InputError(f"llama.cpp computes this model with the activation silu, not {config.hidden_act}")
    window = getattr(config, "sliding_window", None) or config.max_position_embeddings
    writer.add_context_length(min(window, config.max_position_embeddings))  # llama.cpp has no window for these
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(_head_size(config))
    writer.add_value_length(_head_size(config))
    writer.add_rope_dimension_count(_head_size(config))
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def _head_size(config: Any) -> int:
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _entries(model: Any, architecture: Any) -> list[_Entry]:
    """The tensors of a model under llama.cpp's names."""
    config, layers = model.config, compressed_linears(model)
    makers = {name: (tuple(tensor.shape), partial(_itself, tensor)) for name, tensor in model.named_parameters()}
    for name, layer in layers.items():
        makers[f"{name}.weight"] = ((layer.out_features, layer.in_features), partial(layer.decoded, torch.float32))
        if layer.bias is not None:
            makers[f"{name}.bias"] = ((layer.out_features,), partial(_itself, layer.bias))
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    found = _rotary_factors(model, architecture)
    for name, (shape, values) in makers.items():
        new_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if new_name is None:
            raise InputError(f"llama.cpp has no name for the tensor {name} of a {type(model).__name__}")
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2])
        if heads and architecture == gguf.MODEL_ARCH.LLAMA:
            values = partial(_pairs_side_by_side, values, heads)
        found.append(_Entry(new_name, shape, values))
    return found


def _itself(tensor: Tensor) -> Tensor:
    return tensor.detach()


def _pairs_side_by_side(values: Callable[[], Tensor], heads: int) -> Tensor:
    """Rows of queries or keys as llama.cpp rotates them: a pair is two neighbours, not a half of the head apart."""
    rows = values()
    return rows.view(heads, 2, len(rows) // heads // 2, -1).transpose(1, 2).reshape(rows.shape)


def _rotary_factors(model: Any, architecture: Any) -> list[_Entry]:
    """What frequencies of rotary embeddings are divided by; nothing where they are the plain ones."""
    config, rotary = model.config, model.model.rotary_emb
    kind, size = config.rope_parameters["rope_type"], _head_size(config)
    if kind == "default":
        return []
    if kind not in ("linear", "llama3") or architecture != gguf.MODEL_ARCH.LLAMA:
        raise InputError(f"no GGUF file can be made of a {type(model).__name__} with rotary embeddings of type {kind}")
    plain = 1 / config.rope_parameters["rope_theta"] ** (torch.arange(0, size, 2) / size)
    return [_Entry("rope_freqs.weight", (size // 2,), partial(_itself, plain / rotary.inv_freq))]


def _write_tensors(writer: Any, entries: list[_Entry]) -> None:
    """Headers of all tensors, then one after another."""
    for entry in entries:
        writer.add_tensor_info(entry.name, entry.shape, np.dtype(np.float32), 4 * math.prod(entry.shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for entry in progress_bar(entries, desc="decoding", unit="tensor", disable=None):
        writer.write_tensor_data(entry.values().float().contiguous().numpy())
