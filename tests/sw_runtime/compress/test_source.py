"""What is compressed is the model in the files, whole: nothing missing, nothing left over, nothing quantised."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import GPTNeoConfig, GPTNeoForCausalLM, LlamaForCausalLM

from formats.errors import CheckpointError, InputError
from sw_runtime.compress import source
from sw_runtime.compress.source import load, state_to_store
from sw_runtime.nn import shards
from tests.models import tiny_llama

UP_PROJ = "model.layers.0.mlp.up_proj.weight"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two shards and an index."""
    folder = tmp_path_factory.mktemp("written")
    tiny_llama(num_hidden_layers=2).save_pretrained(folder, max_shard_size="200KB")
    assert len(list(folder.glob("*.safetensors"))) == 2
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    for path in written.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def shard_of(folder: Path, tensor: str) -> Path:
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    return folder / index["weight_map"][tensor]


def change(folder: Path, tensor: str, change: Callable[[dict[str, Tensor]], Any]) -> Path:
    """Change the shard that holds a tensor; returns its path."""
    shard = shard_of(folder, tensor)
    tensors = load_file(shard)
    change(tensors)
    save_file(tensors, shard, {"format": "pt"})
    return shard


def change_json(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_sound_folder_gives_its_own_tensors(folder: Path) -> None:
    state = load(folder, None).model.state_dict()
    for shard in folder.glob("*.safetensors"):
        for name, tensor in load_file(shard).items():
            assert torch.equal(state[name], tensor)


def test_a_sound_pickle_gives_its_own_tensors(tmp_path: Path) -> None:
    model = tiny_llama(num_hidden_layers=1)
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    assert torch.equal(load(tmp_path, None).model.lm_head.weight, model.lm_head.weight)


def test_weights_that_are_not_read_from_their_file_when_they_are_used_are_said(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load(folder, None)
    change_json(folder / "config.json", lambda config: config.update(dtype="float16"))
    load(folder, None)
    (message,) = [record.getMessage() for record in caplog.records if record.name == "seedloom.compress"]
    said = rf"\d\.\d MB of {folder} are stored otherwise than the model has them, so they stay in memory"
    assert re.fullmatch(said, message)


@pytest.mark.parametrize("damaged", [b"no pickle", b"", b"u", b"\x80\x02}q\x00.", b"PK\x03\x04", bytes(99)])
def test_a_damaged_pickle_is_named(damaged: bytes, tmp_path: Path) -> None:
    tiny_llama(num_hidden_layers=1).config.save_pretrained(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(damaged)
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin is damaged \(.+\); copy the model's folder again"):
        load(tmp_path, None)


def test_a_tensor_that_a_shard_lacks_is_named(folder: Path) -> None:
    change(folder, UP_PROJ, lambda tensors: tensors.pop(UP_PROJ))
    with pytest.raises(CheckpointError, match=rf"tensor {UP_PROJ} is missing from the files of {folder}; copy the"):
        load(folder, None)


def test_of_several_missing_tensors_three_are_named_and_the_rest_counted(folder: Path) -> None:
    change_json(folder / "config.json", lambda config: config.update(num_hidden_layers=3))
    layer = r"model\.layers\.2\."
    named = rf"tensor {layer}input_layernorm\.weight \(also {layer}.*, {layer}.* and 6 more\) is missing from"
    with pytest.raises(CheckpointError, match=named):
        load(folder, None)


def test_a_shard_that_the_index_does_not_name_leaves_tensors_missing(folder: Path) -> None:
    shard = shard_of(folder, UP_PROJ).name

    def forget(index: dict[str, Any]) -> None:
        index["weight_map"] = {name: file for name, file in index["weight_map"].items() if file != shard}

    change_json(folder / "model.safetensors.index.json", forget)
    with pytest.raises(CheckpointError, match=r"tensor .* is missing from the files of"):
        load(folder, None)


def test_a_tensor_left_over_is_named(folder: Path) -> None:
    change_json(folder / "config.json", lambda config: config.update(num_hidden_layers=1))
    message = rf"tensor model\.layers\.1\..* \(also .* and 6 more\) in {folder} belongs to no layer that its config"
    with pytest.raises(CheckpointError, match=message):
        load(folder, None)


def test_constants_that_older_releases_of_transformers_stored_are_not_left_over(tmp_path: Path) -> None:
    sizes = {"hidden_size": 64, "num_layers": 2, "num_heads": 4, "vocab_size": 120, "max_position_embeddings": 64}
    model = GPTNeoForCausalLM(GPTNeoConfig(**sizes, attention_types=[[["global", "local"], 1]]))
    model.config.save_pretrained(tmp_path)
    attention = "transformer.h.0.attn.attention"
    constants = {f"{attention}.bias": torch.ones(1, 1, 64, 64), f"{attention}.masked_bias": torch.tensor(-1e9)}
    torch.save(model.state_dict() | constants, tmp_path / "pytorch_model.bin")
    assert load(tmp_path, None).model.state_dict().keys() == model.state_dict().keys()


def test_a_tensor_of_another_shape_is_named(folder: Path) -> None:
    change(folder, UP_PROJ, lambda tensors: tensors.update({UP_PROJ: torch.ones(99, 64)}))
    message = rf"tensor {UP_PROJ} in .* another shape than .* says \({UP_PROJ} is \[99, 64\], not \[100, 64\]\); copy"
    with pytest.raises(CheckpointError, match=message):
        load(folder, None)


def test_a_tied_head_is_not_missing(tmp_path: Path) -> None:
    tiny_llama(num_hidden_layers=1, tie_word_embeddings=True).save_pretrained(tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    model = load(tmp_path, None).model
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_a_tied_pair_of_which_both_are_missing_is_named(tmp_path: Path) -> None:
    tiny_llama(num_hidden_layers=1, tie_word_embeddings=True).save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["model.embed_tokens.weight"]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"model\.embed_tokens\.weight.* is missing from the files"):
        load(tmp_path, None)


def test_tensors_that_the_class_lets_models_do_without_are_not_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(folder, UP_PROJ, lambda tensors: tensors.pop(UP_PROJ))
    monkeypatch.setattr(LlamaForCausalLM, "_keys_to_ignore_on_load_missing", {"up_proj"})
    assert load(folder, None).model is not None


@pytest.mark.parametrize("name", ["../model.safetensors", "/model.safetensors", "other/model.safetensors", 3, None])
def test_an_index_that_leaves_the_folder_is_refused(name: object, folder: Path) -> None:
    change_json(folder / "model.safetensors.index.json", lambda index: index["weight_map"].update({UP_PROJ: name}))
    message = rf"index\.json names {name!r} for {UP_PROJ}, which is not a file of the folder; copy the model's folder"
    with pytest.raises(CheckpointError, match=message):
        load(folder, None)


def test_an_index_that_names_a_file_that_is_not_there_is_refused(folder: Path) -> None:
    change_json(folder / "model.safetensors.index.json", lambda index: index["weight_map"].update({UP_PROJ: "a.bin"}))
    with pytest.raises(FileNotFoundError, match=r"has no a\.bin, which its index names; copy the model's folder again"):
        load(folder, None)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.float8_e4m3fn, torch.int32])
def test_a_weight_that_needs_a_scale_is_refused(dtype: torch.dtype, folder: Path) -> None:
    shard = change(folder, UP_PROJ, lambda tensors: tensors.update({UP_PROJ: torch.ones(100, 64).to(dtype)}))
    message = rf"tensor {UP_PROJ} in {shard} is \w+ without a scale, where the model has floating-point.*; give the or"
    with pytest.raises(CheckpointError, match=message):
        load(folder, None)


@pytest.mark.parametrize("method", ["gptq", "awq", "bitsandbytes", "compressed-tensors", "quanto", "torchao", "fp8"])
def test_a_configuration_of_a_quantised_model_is_refused(method: str, folder: Path) -> None:
    change_json(
        folder / "config.json", lambda config: config.update(quantization_config={"quant_method": method, "bits": 4})
    )
    message = rf"{folder} is quantised already \({method}, as its quantization_config says\); give the original model"
    with pytest.raises(CheckpointError, match=message):
        load(folder, None)


def test_a_part_of_a_configuration_that_is_no_object_is_named(folder: Path) -> None:
    change_json(folder / "config.json", lambda config: config.update(compression_config="x"))
    with pytest.raises(CheckpointError, match=r"is quantised already \(x, as its compression_config says\); give the"):
        load(folder, None)


@pytest.mark.parametrize(
    "mark", ["qweight", "weight_packed", "SCB", "weight_scale", "weight._scale", "weight.quant_state.bitsandbytes__nf4"]
)
def test_tensors_that_only_quantised_layers_have_are_refused(mark: str, folder: Path) -> None:
    name = f"model.layers.0.mlp.up_proj.{mark}"
    change(folder, UP_PROJ, lambda tensors: tensors.update({name: torch.ones(1)}))
    message = rf"{folder} is quantised already \(it has the tensor {name}\); give the original model"
    with pytest.raises(CheckpointError, match=message):
        load(folder, None)


def test_an_adapter_that_is_not_merged_is_refused(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(
        CheckpointError, match=rf"{folder} holds an adapter; merge it into its model, or delete adapter"
    ):
        load(folder, None)


def test_an_index_beside_a_whole_file_that_it_does_not_name_is_refused(folder: Path) -> None:
    save_file({"a": torch.ones(1)}, folder / "model.safetensors")
    message = (
        rf"{folder} has both model\.safetensors and model\.safetensors\.index\.json; delete the one that is out of"
    )
    with pytest.raises(CheckpointError, match=message):
        load(folder, None)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    tiny_llama(num_hidden_layers=1).config.save_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"has no model\.safetensors; copy the model's folder again"):
        load(tmp_path, None)


def test_a_compressed_folder_is_refused(tiny_model: Callable[..., Path]) -> None:
    with pytest.raises(CheckpointError, match=r"compressed is compressed already; give the original model"):
        load(tiny_model(), None)


def test_a_model_without_values_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"of the LlamaForCausalLM has no values .*meta.*; load the model whole"):
        load(tiny_llama(num_hidden_layers=1).to("meta"), None)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["model.embed_tokens.weight", "model.norm.weight", UP_PROJ])
def test_a_tensor_that_is_not_finite_is_refused(name: str, value: float) -> None:
    model = tiny_llama(num_hidden_layers=1)
    model.get_parameter(name).data.view(-1)[5] = value
    with pytest.raises(CheckpointError, match=f"{name} holds NaN or infinity; give a checkpoint without damage"):
        state_to_store(model, ["model.layers.0.mlp.up_proj"])


def test_a_gguf_file_alone_in_a_folder_is_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(source, "folder_of_gguf", lambda file: asked.append(file) or tmp_path)
    (tmp_path / "config.json").write_text("{}")
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    assert source.source_folder(tmp_path) == source.source_folder(file) == tmp_path
    assert asked == [file, file]


def test_a_gguf_file_beside_other_weights_is_not_read(folder: Path) -> None:
    (folder / "model.gguf").write_bytes(b"GGUF")
    assert source.source_folder(folder) == folder


def test_of_several_gguf_files_one_must_be_named(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(CheckpointError, match=r"holds a\.gguf, b\.gguf; name one of them"):
        load(tmp_path, None)


def test_what_is_no_folder_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("")
    with pytest.raises(
        CheckpointError, match=r"model\.safetensors is neither a folder nor a GGUF file; name the model"
    ):
        load(tmp_path / "model.safetensors", None)
    with pytest.raises(FileNotFoundError, match="there is no '/nowhere/model' here; name a model's folder"):
        load("/nowhere/model", None)
    with pytest.raises(
        FileNotFoundError, match="there is no 'owner/name-1' here; download it first: hf download owner/"
    ):
        load("owner/name-1", None)
    with pytest.raises(FileNotFoundError, match=r"no model in '.*': a Hugging Face folder has a config.json"):
        load(tmp_path, None)


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ("unable to mmap 9 bytes from file", CheckpointError, r"larger than the memory; save the model in shards"),
        ("something else", RuntimeError, "something else"),
    ],
)
def test_a_file_larger_than_the_memory_is_named_with_the_remedy(
    said: str, error: type[Exception], message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr(shards, "safe_open", refuse)
    with pytest.raises(error, match=message):
        load(folder, None)


def test_an_object_that_is_no_model_of_transformers_is_refused() -> None:
    with pytest.raises(InputError, match="source must be a model of transformers or a folder, not a Linear"):
        load(nn.Linear(8, 8), None)
