"""What is wrong with a user's folder is one line that names file and remedy."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import MixtralConfig, MixtralForCausalLM

from formats.errors import CheckpointError, InputError
from sw_runtime import pretrained
from sw_runtime.pretrained import load_any_model, load_config, load_model, load_tokenizer
from tests.conftest import write_tokenizer
from tests.models import TINY, tiny_llama


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_llama(num_hidden_layers=1).save_pretrained(tmp_path)
    write_tokenizer(tmp_path)
    return tmp_path


def change_config(folder: Path, **settings: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))


def test_a_sound_folder_is_loaded(folder: Path) -> None:
    assert load_model(folder, dtype=torch.float32).config.num_hidden_layers == 1
    assert load_tokenizer(folder)("w1 w2")["input_ids"] == [1, 2]


@pytest.mark.parametrize("kept", [0, 5000])
def test_a_truncated_safetensors_file_is_named(kept: int, folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=rf"{file} is damaged \(.+\); copy the model's folder again"):
        load_model(folder)


def test_a_safetensors_file_of_garbage_is_named(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"x" * 1000)
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged \(.*header too large\); copy"):
        load_model(folder)


def test_weights_of_other_shapes_than_the_configuration_says_are_refused(folder: Path) -> None:
    change_config(folder, intermediate_size=60)
    with pytest.raises(
        CheckpointError, match=rf"tensor .* \(also .*\) in {folder} has another shape than its config\.json says"
    ):
        load_model(folder)


@pytest.mark.parametrize("content", [b"{nope", b"\xff\xfe\x00", b"[1]", b"{}", b'{"model_type": "llama", "eps": NaN}'])
def test_a_configuration_that_cannot_be_read_is_named(content: bytes, folder: Path) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read \(.+\); copy the model's folder again"):
        load_config(folder)


def test_infinity_as_transformers_writes_it_into_configurations_is_read(folder: Path) -> None:
    change_config(folder, time_step_limit=[0.0, float("inf")])
    assert load_config(folder).time_step_limit == [0.0, float("inf")]


@pytest.mark.parametrize("settings", [{"num_attention_heads": 0}, {"hidden_act": "none"}, {"vocab_size": "many"}])
def test_a_configuration_of_no_model_is_named(settings: dict[str, Any], folder: Path) -> None:
    change_config(folder, **settings)
    message = (
        r"(no model can be built as .*config\.json says|config\.json cannot be read) \(.+\); copy the model's folder"
    )
    with pytest.raises(CheckpointError, match=message):
        load_model(folder)


@pytest.mark.parametrize("level", [logging.WARNING, logging.ERROR])
def test_experts_of_which_one_lacks_a_tensor_are_named_without_a_table(
    level: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(level, "transformers")
    config = MixtralConfig(
        **TINY | {"num_hidden_layers": 1, "intermediate_size": 64, "num_local_experts": 4, "rope_parameters": None}
    )
    MixtralForCausalLM(config).save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["model.layers.0.block_sparse_moe.experts.1.w1.weight"]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    experts = r"tensor model\.layers\.0\.mlp\.experts\.gate_up_proj"
    with pytest.raises(
        CheckpointError, match=rf"{experts} cannot be made of the tensors in .*: one is missing or of an"
    ):
        load_model(tmp_path)
    assert "LOAD REPORT" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "settings",
    [
        {"architectures": 3},
        {"architectures": "LlamaForCausalLM"},
        {"quantization_config": {"bits": 4}},
        {"quantization_config": {"quant_method": None}},
        {"quantization_config": {"quant_method": ["gptq"]}},
        *({"quantization_config": value} for value in ("x", "", 5, 0, True, False, [1], [], {})),
    ],
)
def test_a_configuration_that_loaders_would_stumble_over_is_named(settings: dict[str, Any], folder: Path) -> None:
    change_config(folder, **settings)
    message = r"config\.json cannot be read \(architectures are a list, quantization_config has a quant_method\); copy"
    with pytest.raises(CheckpointError, match=message):
        load_config(folder)


def test_an_architecture_that_transformers_does_not_know_is_named(folder: Path) -> None:
    change_config(folder, model_type="abacus")
    with pytest.raises(CheckpointError, match=r"model type `abacus`.*; copy .* or use a transformers release that kn"):
        load_model(folder)


@pytest.mark.parametrize("names", [["PreTrainedModel"], ["AutoConfig"], ["logging"], [3]])
def test_an_architecture_that_is_no_class_of_models_is_named(names: list[Any], folder: Path) -> None:
    change_config(folder, architectures=names)
    with pytest.raises(CheckpointError, match=r"names the architecture \[.+\], which transformers does not have; copy"):
        load_any_model(folder)


@pytest.mark.parametrize("dtype", ["int32", 5])
def test_a_dtype_that_is_no_floating_point_type_is_named(dtype: Any, folder: Path) -> None:
    change_config(folder, dtype=dtype)
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read \(dtype is .+, no floating-point type\);"):
        load_config(folder)


def test_a_null_is_called_so_and_its_field_named(folder: Path) -> None:
    change_config(folder, hidden_size=None)
    with pytest.raises(
        CheckpointError, match=r"config\.json cannot be read \(.*'hidden_size' expected int, got null\); copy"
    ):
        load_config(folder)


def test_a_model_that_predicts_no_tokens_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(CheckpointError, match=r"describes a vit model, which does not predict tokens; give the folder"):
        load_model(folder)


@pytest.mark.parametrize("content", ["{nope", '{"version": 3}', "[]"])
def test_a_tokenizer_that_cannot_be_read_is_named(content: str, folder: Path) -> None:
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(CheckpointError, match=rf"the tokenizer in {folder} cannot be read \(.+\); copy the model's fo"):
        load_tokenizer(folder)


@pytest.mark.parametrize(
    "content",
    ["{nope", "[]", '{"temperature": NaN}', '{"max_new_tokens": "x"}', '{"eos_token_id": "x"}', '{"pad_token_id": {}}'],
)
def test_generation_settings_that_cannot_be_read_are_named(content: str, folder: Path) -> None:
    (folder / "generation_config.json").write_text(content)
    with pytest.raises(
        CheckpointError, match=r"generation_config\.json cannot be read \(.+\); copy the model's folder"
    ):
        load_model(folder)


def test_any_other_error_is_passed_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(pretrained.AutoModelForCausalLM, "from_pretrained", fail)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        load_model(folder)


def test_a_source_is_loaded_by_the_class_that_its_configuration_names(folder: Path, tmp_path: Path) -> None:
    tiny_llama().model.save_pretrained(tmp_path / "body")
    assert type(load_any_model(tmp_path / "body")).__name__ == "LlamaModel"
    change_config(folder, architectures=None)
    assert type(load_any_model(folder)).__name__ == "LlamaForCausalLM"
    change_config(folder, architectures=["Abacus"])
    with pytest.raises(CheckpointError, match=r"names the architecture \['Abacus'\], which transformers does not"):
        load_any_model(folder)


def test_a_model_that_fills_gaps_does_not_go_on_with_a_text(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert", "architectures": ["BertForMaskedLM"]}')
    with pytest.raises(
        CheckpointError, match="describes a BertForMaskedLM, which fills gaps and does not go on with a"
    ):
        load_model(folder)


@pytest.mark.parametrize("load", [load_config, load_model, load_any_model, load_tokenizer])
def test_what_is_no_path_is_refused(load: Callable[[Any], Any]) -> None:
    with pytest.raises(InputError, match="folder must be Path, not 'model'"):
        load("model")


def test_a_folder_that_is_not_there_has_no_tokenizer_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a folder; name a model's folder"):
        load_tokenizer(tmp_path / "nowhere")
