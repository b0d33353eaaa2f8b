import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModel, AutoModelForCausalLM

from formats.errors import CheckpointError
from sw_runtime.nn.shards import read_headers, shard_files

UP_PROJ = "model.layers.0.mlp.up_proj"


@pytest.fixture
def folder(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model()


def change_tensors(folder: Path, change: Callable[[dict[str, Tensor]], Any]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def change_config(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("name", [f"{UP_PROJ}.weight", f"{UP_PROJ}.weight_scale", "model.norm.weight"])
def test_a_missing_tensor_is_refused_by_name_and_file(name: str, folder: Path) -> None:
    change_tensors(folder, lambda tensors: tensors.pop(name))
    with pytest.raises(ValueError, match=rf"tensor {name} is missing from .*model\.safetensors; copy the folder again"):
        AutoModelForCausalLM.from_pretrained(folder)


def test_several_missing_tensors_are_counted(folder: Path) -> None:
    def change(tensors: dict[str, Tensor]) -> None:
        del tensors["model.norm.weight"], tensors["lm_head.weight"], tensors["lm_head.weight_scale"]

    change_tensors(folder, change)
    with pytest.raises(
        ValueError, match=r"tensor lm_head.weight \(also lm_head.weight_scale, model.norm.weight\) is missing from"
    ):
        AutoModelForCausalLM.from_pretrained(folder)


def test_missing_tensors_of_a_sharded_model_name_every_shard(tiny_model: Callable[..., Path]) -> None:
    folder = tiny_model(shards=2)
    shard = folder / "model-00002-of-00002.safetensors"
    tensors = load_file(shard)
    name = min(tensors)
    del tensors[name]
    save_file(tensors, shard, {"format": "pt"})
    with pytest.raises(ValueError, match=rf"tensor {name} is missing from .*00001-of-00002.*, .*00002-of-00002"):
        AutoModelForCausalLM.from_pretrained(folder)


@pytest.mark.parametrize("name", ["model.layers.0.mlp.weight_scale", "model.norm.weight_scale", "stray"])
def test_a_tensor_left_over_is_refused_by_name_and_file(name: str, folder: Path) -> None:
    change_tensors(folder, lambda tensors: tensors.update({name: torch.ones(1)}))
    with pytest.raises(
        ValueError, match=rf"tensor {name} in .*model\.safetensors belongs to no layer of LlamaForCausalLM; copy"
    ):
        AutoModelForCausalLM.from_pretrained(folder)


def test_a_compressed_layer_that_the_config_does_not_list_is_left_over(folder: Path) -> None:
    change_config(folder, lambda config: config["quantization_config"]["modules"].pop(UP_PROJ))
    with pytest.raises(ValueError, match=f"tensor {UP_PROJ}.weight_scale in .* belongs to no layer"):
        AutoModelForCausalLM.from_pretrained(folder)


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("weight", torch.ones(100, 31, dtype=torch.uint8), r"is U8 \[100, 31\], but its layer needs U8 \[100, 32\]"),
        ("weight", torch.ones(100, 32, dtype=torch.int8), r"is I8 \[100, 32\], but its layer needs U8 \[100, 32\]"),
        ("weight", torch.ones(100, 64), r"is F32 \[100, 64\], but its layer needs U8 \[100, 32\]"),
        ("weight_scale", torch.ones(100), r"is F32 \[100\], but its layer needs BF16 \[100\]"),
        ("weight_scale", torch.ones(1).bfloat16(), r"is BF16 \[1\], but its layer needs BF16 \[100\]"),
    ],
)
def test_a_wrong_shape_or_dtype_is_refused(name: str, tensor: Tensor, message: str, folder: Path) -> None:
    change_tensors(folder, lambda tensors: tensors.update({f"{UP_PROJ}.{name}": tensor}))
    with pytest.raises(ValueError, match=rf"tensor {UP_PROJ}.{name} in .*model\.safetensors {message}"):
        AutoModelForCausalLM.from_pretrained(folder)


def test_a_layer_the_config_gives_another_format_is_refused(folder: Path) -> None:
    change_config(folder, lambda config: config["quantization_config"]["modules"].update({UP_PROJ: "scaled-3bit"}))
    with pytest.raises(ValueError, match=rf"{UP_PROJ}.weight in .* but its layer needs U8 \[100, 24\]"):
        AutoModelForCausalLM.from_pretrained(folder)


@pytest.mark.parametrize(
    ("name", "found"),
    [("model.layers.9.mlp.up_proj", "no such layer"), ("model.norm", "LlamaRMSNorm")],
)
def test_a_listed_layer_that_is_none_is_refused(name: str, found: str, folder: Path) -> None:
    change_config(folder, lambda config: config["quantization_config"]["modules"].update({name: "scaled-4bit"}))
    with pytest.raises(ValueError, match=f"lists {name} as a linear layer; LlamaForCausalLM has {found}"):
        AutoModelForCausalLM.from_pretrained(folder)


def test_a_compressed_head_tied_to_the_embedding_is_refused(folder: Path) -> None:
    change_config(folder, lambda config: config.update(tie_word_embeddings=True))
    with pytest.raises(
        ValueError, match=r"lm_head is compressed, but config\.json ties it: set tie_word_embeddings to"
    ):
        AutoModelForCausalLM.from_pretrained(folder)


def test_a_tied_head_that_is_not_compressed_needs_no_tensor(folder: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        del config["quantization_config"]["modules"]["lm_head"]
        config["tie_word_embeddings"] = True

    change_config(folder, change)
    change_tensors(folder, lambda tensors: [tensors.pop(f"lm_head.{name}") for name in ("weight", "weight_scale")])
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_the_body_alone_still_needs_every_compressed_tensor(folder: Path) -> None:
    change_tensors(folder, lambda tensors: tensors.pop(f"{UP_PROJ}.weight_scale"))
    with pytest.raises(ValueError, match=r"tensor layers.0.mlp.up_proj.weight_scale is missing from"):
        AutoModel.from_pretrained(folder)


def test_a_truncated_file_is_refused(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged \(.*\); copy the model's folder again"):
        AutoModelForCausalLM.from_pretrained(folder)


def test_a_pickle_is_refused(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"pytorch_model\.bin is not a safetensors file, the only kind"):
        AutoModelForCausalLM.from_pretrained(folder)


def test_an_index_of_pickles_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    index = {"weight_map": {"lm_head.weight": "pytorch_model.bin"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin is not a safetensors file, the only kind"):
        read_headers(shard_files(folder))


def test_a_tensor_in_two_files_is_refused(tmp_path: Path) -> None:
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for file in files:
        save_file({"twice": torch.ones(1)}, file)
    with pytest.raises(ValueError, match=r"tensor twice is in .*a\.safetensors and in .*b\.safetensors; copy"):
        read_headers(files)


def test_shards_come_from_the_index(tiny_model: Callable[..., Path]) -> None:
    folder = tiny_model(shards=2)
    assert [file.name for file in shard_files(folder)] == [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]


def test_a_shard_that_is_not_there_is_refused(tiny_model: Callable[..., Path]) -> None:
    folder = tiny_model(shards=2)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"has no model-00002-of-00002\.safetensors, which its index names; copy the"
    ):
        shard_files(folder)


def test_an_index_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    index = {"weight_map": {"weight": "../model.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(
        ValueError, match=r"names '../model\.safetensors' for weight, which is not a file of the folder; copy"
    ):
        shard_files(tmp_path)
