import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from formats.errors import CheckpointError
from golden_models.seedlm.codec import decode
from sw_runtime.nn import quantizer
from sw_runtime.nn.attach import compressed_linears
from sw_runtime.nn.quantizer import SeedLMConfig
from tests.models import tiny_llama

TOKENS = torch.tensor([[1, 5, 9, 2]])


@pytest.fixture
def folder(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model()


def dense_twin(folder: Path, dtype: torch.dtype) -> LlamaForCausalLM:
    """The same model with decoded weights in ordinary linear layers."""
    compressed = AutoModelForCausalLM.from_pretrained(folder)
    config = LlamaConfig.from_pretrained(folder)
    del config.quantization_config
    twin = LlamaForCausalLM(config)
    weights = {
        f"{name}.weight": decode(layer.encoded_matrix()) for name, layer in compressed_linears(compressed).items()
    }
    twin.load_state_dict(
        {name: tensor for name, tensor in compressed.state_dict().items() if not name.endswith("_scale")} | weights
    )
    twin.save_pretrained(folder / "dense")
    return LlamaForCausalLM.from_pretrained(folder / "dense", dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("options", [{}, {"attention_bias": True}, {"shards": 3}])
def test_a_loaded_folder_computes_what_its_decoded_weights_do(
    options: dict[str, bool], dtype: torch.dtype, tiny_model: Callable[..., Path]
) -> None:
    folder = tiny_model(**options)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    assert model.dtype == dtype
    assert torch.equal(model(TOKENS).logits, dense_twin(folder, dtype)(TOKENS).logits)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16, torch.float16])
def test_words_and_scales_are_loaded_bit_by_bit_whatever_the_dtype(folder: Path, dtype: torch.dtype | None) -> None:
    options = {} if dtype is None else {"dtype": dtype}
    loaded = AutoModelForCausalLM.from_pretrained(folder, **options).state_dict()
    for name, tensor in load_file(folder / "model.safetensors").items():
        if name.endswith("_scale") or tensor.dtype == torch.uint8:
            assert loaded[name].dtype == tensor.dtype
            assert torch.equal(loaded[name], tensor)


def test_saved_and_loaded_again_every_byte_is_the_same(folder: Path, tmp_path: Path) -> None:
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(tmp_path / "saved")
    before, after = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "saved"))
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert tensor.dtype == after[name].dtype
        assert torch.equal(tensor, after[name])
    AutoModelForCausalLM.from_pretrained(tmp_path / "saved").save_pretrained(tmp_path / "again")
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("saved", "again"))
    assert first == second


def test_saving_keeps_the_quantization_config_with_whatever_else_it_says(folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"]["calibration"] = "book.txt"
    (folder / "config.json").write_text(json.dumps(config))
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(tmp_path / "saved")
    saved = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert saved["quantization_config"] == config["quantization_config"]


def test_the_body_alone_can_be_loaded(folder: Path) -> None:
    whole, body = AutoModelForCausalLM.from_pretrained(folder), AutoModel.from_pretrained(folder)
    assert len(compressed_linears(body)) == 14
    assert torch.equal(body(TOKENS).last_hidden_state, whole.model(TOKENS).last_hidden_state)


def test_without_the_package_loading_fails_loudly(folder: Path) -> None:
    load = f"from transformers import AutoModelForCausalLM as Model; Model.from_pretrained({str(folder)!r})"
    run = subprocess.run([sys.executable, "-c", load], capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "size mismatch" in run.stderr or "mismatched sizes" in run.stderr


def test_executing_the_module_again_is_harmless() -> None:
    importlib.reload(quantizer)


def test_seeds_are_no_parameters(folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert not any(True for layer in compressed_linears(model).values() for _ in layer.parameters())


def test_compressing_while_loading_is_refused(tmp_path: Path) -> None:
    tiny_llama().save_pretrained(tmp_path)
    wanted = quantizer.SeedLMConfig("scaled-4bit", {"lm_head": "scaled-4bit"})
    with pytest.raises(ValueError, match="transformers cannot compress while it loads; run `seedloom compress` first"):
        AutoModelForCausalLM.from_pretrained(tmp_path, quantization_config=wanted)


def test_loading_from_a_state_dict_is_refused(folder: Path) -> None:
    config = LlamaConfig.from_pretrained(folder)
    with pytest.raises(ValueError, match="loaded from its folder, not from a state_dict"):
        LlamaForCausalLM.from_pretrained(None, config=config, state_dict=load_file(folder / "model.safetensors"))


def test_unknown_formats_are_refused() -> None:
    known = "known: paper-4bit, paper-3bit, scaled-4bit"
    with pytest.raises(ValueError, match=f"gives format the unknown format 'int4'; {known}"):
        SeedLMConfig("int4", {"lm_head": "scaled-4bit"})
    with pytest.raises(ValueError, match=f"gives lm_head the unknown format 'int4'; {known}"):
        SeedLMConfig("scaled-4bit", {"lm_head": "int4"})


@pytest.mark.parametrize("modules", [None, {}, [], ["lm_head"], "lm_head", 3])
def test_a_config_without_layers_is_refused(modules: Any) -> None:
    with pytest.raises(CheckpointError, match="quantization_config lists no modules with their formats; compress the"):
        SeedLMConfig("scaled-4bit", modules)


def test_a_config_without_a_format_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"gives format no format \(null\); known: paper-4bit"):
        SeedLMConfig(modules={"lm_head": "scaled-4bit"})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_a_bad_scale_is_refused_at_load(value: float, folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight_scale"][3] = value
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        CheckpointError, match=rf"tensor lm_head\.weight_scale: scale 3 is {value}, not a finite number"
    ):
        AutoModelForCausalLM.from_pretrained(folder)


def test_a_scale_of_0_for_all_rows_is_refused_at_load(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.1.mlp.down_proj.weight_scale"].zero_()
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"down_proj\.weight_scale: scale 0 is 0\.0, not a finite number above 0"):
        AutoModelForCausalLM.from_pretrained(folder)


def test_a_loaded_layers_weight_reads_as_the_decoded_one_in_the_models_dtype(folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    layer = compressed_linears(model)["lm_head"]
    assert torch.equal(model.lm_head.weight, layer.decoded(torch.bfloat16))
    assert layer.stored_weight.dtype == torch.uint8


@pytest.mark.parametrize("offload_buffers", [True, False])
def test_layers_on_disk_compute_the_same_again_and_again(folder: Path, tmp_path: Path, offload_buffers: bool) -> None:
    expected = AutoModelForCausalLM.from_pretrained(folder)(TOKENS).logits
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        device_map=dict.fromkeys(["model.embed_tokens", "model.norm", "model.rotary_emb"], "cpu")
        | dict.fromkeys(["model.layers", "lm_head"], "disk"),
        offload_folder=tmp_path / "offloaded",
        offload_buffers=offload_buffers,
    )
    for _ in range(2):
        assert torch.equal(model(TOKENS).logits, expected)
