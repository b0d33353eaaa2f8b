"""A GGUF file holds the decoded weights bit by bit, and llama.cpp makes the same tokens of it as transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    MistralForCausalLM,
    Qwen2ForCausalLM,
    Qwen3ForCausalLM,
)

from formats.errors import InputError
from sw_runtime.export.folder import export
from sw_runtime.nn.attach import compressed_linears
from tests.sw_runtime.export.conftest import TEXT, VOCABULARY
from tests.sw_runtime.export.llama_cpp import greedy_tokens, unwanted

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 1e4,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


@pytest.mark.parametrize(
    ("model_class", "settings"),
    [
        (LlamaForCausalLM, {"attention_bias": True, "mlp_bias": True}),
        (LlamaForCausalLM, {"rope_parameters": LLAMA3}),
        (LlamaForCausalLM, {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}}),
        (LlamaForCausalLM, {"head_dim": 32, "tie_word_embeddings": True}),
        (MistralForCausalLM, {}),
        (Qwen2ForCausalLM, {}),
        (Qwen3ForCausalLM, {}),
    ],
)
def test_llama_cpp_writes_the_tokens_that_transformers_does(
    model_class: Any, settings: dict[str, Any], compressed: Callable[..., Path], tmp_path: Path
) -> None:
    torch.manual_seed(5)  # weights with which every token leads the next best clearly, as is asserted
    folder = compressed(model_class, **settings)
    file = export(folder, tmp_path / "model.gguf", "gguf")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    forbidden = unwanted(tokenizer, VOCABULARY)
    prompt = tokenizer(TEXT, return_tensors="pt").input_ids
    asked = {"max_new_tokens": 12, "do_sample": False, "suppress_tokens": forbidden}
    written = model.generate(prompt, return_dict_in_generate=True, output_scores=True, **asked)
    first, second = torch.cat(written.scores).topk(2).values.T
    assert (first - second).min() > 0.01  # so that no rounding decides
    expected = written.sequences[0, prompt.shape[1] :].tolist()
    assert len(set(expected)) > 4
    assert greedy_tokens(file, TEXT, 12, forbidden) == (prompt.shape[1], expected)


def test_every_weight_equals_the_decoded_one_bit_by_bit(compressed: Callable[..., Path], tmp_path: Path) -> None:
    folder = compressed(Qwen2ForCausalLM)
    file = export(folder, tmp_path / "model.gguf", "gguf")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, 2)
    found = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    assert {tensor.tensor_type.name for tensor in found.values()} == {"F32"}
    layers = compressed_linears(model)
    assert len(layers) == 15
    for name, layer in layers.items():
        tensor = found[f"{names.get_name(name)}.weight"]
        assert torch.equal(torch.from_numpy(tensor.data.copy()), layer.decoded(torch.float32))
    assert len(found) == 15 + len(list(model.parameters())) + 6  # biases of queries, keys and values


def test_a_sliding_window_ends_the_context_as_llama_cpp_has_none(
    compressed: Callable[..., Path], tmp_path: Path
) -> None:
    file = export(compressed(MistralForCausalLM, sliding_window=99), tmp_path / "model.gguf", "gguf")
    assert gguf.GGUFReader(file).get_field("llama.context_length").contents() == 99


def test_a_class_that_llama_cpp_computes_otherwise_is_refused_by_name(
    compressed: Callable[..., Path], tmp_path: Path
) -> None:
    folder = compressed(GPT2LMHeadModel, n_positions=64, n_embd=32, n_layer=1, n_head=2)
    with pytest.raises(InputError, match="no GGUF file can be made of a GPT2LMHeadModel, only of LlamaForCausalLM, M"):
        export(folder, tmp_path / "model.gguf", "gguf")


@pytest.mark.parametrize(
    ("model_class", "settings", "message"),
    [
        (LlamaForCausalLM, {"hidden_act": "gelu"}, "computes this model with the activation silu, not gelu"),
        (
            LlamaForCausalLM,
            {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0}},
            "no GGUF file can be made of a LlamaForCausalLM with rotary embeddings of type dynamic",
        ),
        (
            Qwen3ForCausalLM,
            {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}},
            "no GGUF file can be made of a Qwen3ForCausalLM with rotary embeddings of type linear",
        ),
    ],
)
def test_what_llama_cpp_would_compute_otherwise_is_refused_and_nothing_is_left(
    model_class: Any, settings: dict[str, Any], message: str, compressed: Callable[..., Path], tmp_path: Path
) -> None:
    folder = compressed(model_class, **settings)
    with pytest.raises(InputError, match=message):
        export(folder, tmp_path / "model.gguf", "gguf")
    assert {path.name for path in tmp_path.iterdir()} == {"source", "compressed"}


def test_another_ending_or_a_dtype_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"llama\.cpp takes files whose names end with \.gguf; name one, not"):
        export(tmp_path, tmp_path / "model.bin", "gguf")
    with pytest.raises(InputError, match="a GGUF file is written as float32, which is exact; leave out the dtype"):
        export(tmp_path, tmp_path / "model.gguf", "gguf", dtype="float16")


def test_a_file_that_is_there_is_never_written_over(compressed: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_text("mine")
    with pytest.raises(FileExistsError, match=r"model\.gguf is there already; choose another name, or delete it"):
        export(compressed(LlamaForCausalLM), tmp_path / "model.gguf", "gguf")
    assert (tmp_path / "model.gguf").read_text() == "mine"
