import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from formats.errors import CheckpointError, InputError
from sw_runtime.json_files import json_text
from sw_runtime.nn.folder import CompressedLayer, compressed_config, describe, verify
from sw_runtime.nn.golden_tokens import GOLDEN_TOKENS, golden_tokens
from tests.conftest import write_checksums

DOWN_PROJ = "model.layers.1.mlp.down_proj"


@pytest.fixture
def folder(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model()


def keep_head_in_fp16(folder: Path, weights: Tensor) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["lm_head.weight_scale"]
    tensors["lm_head.weight"] = weights.view(torch.uint8)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"]["modules"]["lm_head"] = "fp16"
    (folder / "config.json").write_text(json.dumps(config))


def change_tensor(folder: Path, name: str, change: Callable[[Tensor], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors[name])
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def change_config(folder: Path, **settings: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))


def test_describe_lists_layers_with_format_shape_and_bytes(folder: Path) -> None:
    layers = {layer.name: layer for layer in describe(folder).layers}
    assert len(layers) == 15
    paper_row = -(-9 * 36 // 8)  # 100 weights are 9 blocks of 12, 36 bits each
    assert layers[DOWN_PROJ] == CompressedLayer(DOWN_PROJ, "paper-3bit", 64, 100, 64 * paper_row + 4)
    up_proj = layers["model.layers.0.mlp.up_proj"]
    assert up_proj == CompressedLayer("model.layers.0.mlp.up_proj", "scaled-4bit", 100, 64, 100 * (32 + 2))
    assert up_proj.bits_per_weight == 4 + 16 / 64


def test_describe_adds_up(folder: Path) -> None:
    contents = describe(folder)
    assert contents.weights == sum(layer.rows * layer.columns for layer in contents.layers)
    assert contents.dense_bytes == 2 * contents.weights
    assert contents.layer_bytes + contents.other_bytes == (folder / "model.safetensors").stat().st_size
    assert contents.bits_per_weight == 8 * contents.layer_bytes / contents.weights


@pytest.mark.parametrize("shards", [1, 3])
def test_a_sound_folder_passes(shards: int, tiny_model: Callable[..., Path]) -> None:
    folder = tiny_model(shards=shards)
    assert verify(folder) == describe(folder)


def test_seed_0_is_found(folder: Path) -> None:
    change_tensor(folder, f"{DOWN_PROJ}.weight", lambda weight: weight[3, :2].zero_())
    with pytest.raises(ValueError, match=rf"tensor {DOWN_PROJ}.weight in .*safetensors: block 0 of row 3 has seed 0"):
        verify(folder)


def test_padding_that_is_not_zero_is_found(folder: Path) -> None:
    change_tensor(folder, f"{DOWN_PROJ}.weight", lambda weight: weight[7, -1].bitwise_or_(0x80))
    with pytest.raises(ValueError, match="padding bits of row 7 are not zero; the file is damaged"):
        verify(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_a_scale_that_is_none_is_found(value: float, folder: Path) -> None:
    change_tensor(folder, "lm_head.weight_scale", lambda scale: scale[2:3].fill_(value))
    with pytest.raises(
        ValueError, match=f"lm_head.weight_scale in .*: scale 2 is {value}, not a finite number from 0 up"
    ):
        verify(folder)


@pytest.mark.parametrize("name", ["model.layers.0.self_attn.q_proj", DOWN_PROJ])
def test_a_scale_of_0_is_found_where_one_scale_serves_all_rows(name: str, folder: Path) -> None:
    change_tensor(folder, f"{name}.weight_scale", Tensor.zero_)
    with pytest.raises(
        CheckpointError, match=rf"{name}.weight_scale in .*: scale 0 is 0\.0, not a finite number above 0"
    ):
        verify(folder)


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
@pytest.mark.parametrize("name", ["model.embed_tokens.weight", "model.norm.weight"])
def test_a_tensor_that_is_not_finite_is_found(name: str, value: float, folder: Path) -> None:
    change_tensor(folder, name, lambda tensor: tensor.view(-1)[7:8].fill_(value))
    with pytest.raises(
        CheckpointError, match=rf"tensor {name} in .*safetensors: it holds NaN or infinity; the file is"
    ):
        verify(folder)
    with pytest.raises(CheckpointError, match=rf"tensor {name}: it holds NaN or infinity; the file is damaged; copy"):
        AutoModelForCausalLM.from_pretrained(folder)


def test_a_valid_word_that_was_not_written_is_found(folder: Path) -> None:
    change_tensor(folder, "lm_head.weight", lambda weight: weight[3].copy_(weight[4].clone()))
    with pytest.raises(CheckpointError, match=r"is not what checksums\.json says: tensor lm_head\.weight has changed"):
        verify(folder)


def test_the_model_is_run_only_when_asked(folder: Path) -> None:
    golden = golden_tokens(folder)
    golden["tokens"][0] ^= 1
    (folder / GOLDEN_TOKENS).write_text(json_text(golden))
    write_checksums(folder)
    verify(folder)
    with pytest.raises(CheckpointError, match="does not write its golden tokens: token 0 is"):
        verify(folder, run=True)


def test_a_layer_in_fp16_is_described_and_passes(folder: Path) -> None:
    keep_head_in_fp16(folder, torch.ones(120, 64, dtype=torch.float16))
    write_checksums(folder)
    assert verify(folder).layers[-1] == CompressedLayer("lm_head", "fp16", 120, 64, 120 * 64 * 2)


def test_an_fp16_weight_that_no_device_takes_is_found(folder: Path) -> None:
    keep_head_in_fp16(folder, torch.full((120, 64), 300.0, dtype=torch.float16))
    with pytest.raises(ValueError, match=r"tensor lm_head.weight in .*: weight \[0, 0\] is 300.0; .* below 256"):
        verify(folder)


def test_a_missing_tensor_is_found(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["lm_head.weight_scale"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"tensor lm_head.weight_scale is missing from"):
        verify(folder)


def test_verify_shows_no_progress_where_that_is_turned_off(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    verify(folder)
    assert "verifying" in capsys.readouterr().err
    verify(folder, progress=False)
    assert capsys.readouterr().err == ""


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a folder; name one that `seedloom compress` wrote"):
        compressed_config(tmp_path / "nowhere")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no config\.json; name a folder that `seedloom compress` wrote"):
        compressed_config(tmp_path)


@pytest.mark.parametrize("folder", ["compressed", None, 3])
@pytest.mark.parametrize("look", [describe, verify, compressed_config])
def test_what_is_no_path_is_refused(look: Callable[[Any], Any], folder: Any) -> None:
    with pytest.raises(InputError, match=f"folder must be Path, not {folder!r}"):
        look(folder)


def test_a_folder_may_be_called_like_a_file_of_weights(folder: Path) -> None:
    renamed = folder.rename(folder.parent / "model.safetensors")
    assert len(describe(renamed).layers) == 15


def test_a_folder_in_the_place_of_weights_is_none(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()
    with pytest.raises(FileNotFoundError, match=r"has no model\.safetensors; copy the model's folder again"):
        describe(folder)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("once")
    with pytest.raises(FileNotFoundError, match=r"text\.txt is not a folder; name one that `seedloom compress` wrote"):
        describe(tmp_path / "text.txt")


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no model\.safetensors; copy the model's folder again"):
        describe(folder)


@pytest.mark.parametrize("quantization", [None, {"quant_method": "gptq"}, {"quant_method": "SeedLM"}])
def test_a_model_that_is_not_compressed_is_refused(quantization: Any, folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text()) | {"quantization_config": quantization}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"is not compressed; run `seedloom compress .* OUTPUT` first"):
        describe(folder)


@pytest.mark.parametrize(
    "architectures", [["Abacus"], ["AutoConfig"], ["logging"], [], [3], "LlamaForCausalLM", {}, None]
)
def test_an_unknown_architecture_is_refused(architectures: Any, folder: Path) -> None:
    change_config(folder, architectures=architectures)
    with pytest.raises(
        CheckpointError, match=r"config\.json (cannot be read|names the architecture .+, which transform)"
    ):
        describe(folder)


def test_a_quantization_config_may_say_anything_else(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())["quantization_config"]
    change_config(folder, quantization_config=config | {"self": 1, "note": "kept"})
    assert len(describe(folder).layers) == 15


def test_the_file_of_a_bad_quantization_config_is_named(folder: Path) -> None:
    change_config(folder, quantization_config={"quant_method": "seedlm", "format": "scaled-4bit", "modules": []})
    message = rf"{folder / 'config.json'}: quantization_config lists no modules with their formats; compress the model"
    with pytest.raises(CheckpointError, match=message):
        describe(folder)


@pytest.mark.parametrize("value", ["x", [3], 5, True, {}])
def test_a_quantization_config_that_is_none_is_named(value: Any, folder: Path) -> None:
    change_config(folder, quantization_config=value)
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read \(.+\); copy the model's folder"):
        describe(folder)


@pytest.mark.parametrize("settings", [{"num_attention_heads": 0}, {"hidden_size": -1}, {"hidden_act": "none"}])
def test_a_configuration_of_no_model_is_named(settings: dict[str, Any], folder: Path) -> None:
    change_config(folder, **settings)
    message = (
        r"(no model can be built as .*config\.json says|config\.json cannot be read) \(.+\); copy the model's folder"
    )
    with pytest.raises(CheckpointError, match=message):
        describe(folder)
