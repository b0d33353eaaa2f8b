"""A result in several files: the index that transformers reads, the same tensors, and what is checked of them."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from formats.errors import CheckpointError
from sw_runtime.compress.folder import compress
from sw_runtime.nn.folder import verify
from tests.sw_runtime.compress.conftest import FIRST_LAYER, llama_to_compress

INDEX = "model.safetensors.index.json"
SHARD_BYTES = 20_000


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One model in one file, and in shards."""
    whole, shards = (tmp_path_factory.mktemp(name) for name in ("whole", "shards"))
    compress(llama_to_compress(), whole, modules=FIRST_LAYER, progress=False)
    compress(llama_to_compress(), shards, modules=FIRST_LAYER, progress=False, shard_bytes=SHARD_BYTES)
    return whole, shards


def test_shards_are_named_and_indexed_as_transformers_does(folders: tuple[Path, Path], tmp_path: Path) -> None:
    _, shards = folders
    index = json.loads((shards / INDEX).read_text())
    files = sorted(path.name for path in shards.glob("*.safetensors"))
    assert len(files) > 2
    assert files == [f"model-{number + 1:05}-of-{len(files):05}.safetensors" for number in range(len(files))]
    assert index["weight_map"] == {name: file for file in files for name in load_file(shards / file)}
    assert index["metadata"]["total_size"] == sum(
        tensor.nbytes for file in files for tensor in load_file(shards / file).values()
    )
    AutoModelForCausalLM.from_pretrained(shards).save_pretrained(tmp_path, max_shard_size=SHARD_BYTES)
    assert set(json.loads((tmp_path / INDEX).read_text())) == set(index)


def test_shards_hold_the_tensors_of_the_one_file(folders: tuple[Path, Path]) -> None:
    whole, shards = folders
    assert not (whole / INDEX).exists()
    tensors = {name: tensor for file in shards.glob("*.safetensors") for name, tensor in load_file(file).items()}
    expected = load_file(whole / "model.safetensors")
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)
    assert json.loads((whole / "golden_tokens.json").read_text()) == json.loads(
        (shards / "golden_tokens.json").read_text()
    )


def test_shards_are_verified(folders: tuple[Path, Path], tmp_path: Path) -> None:
    _, shards = folders
    verify(shards, run=True, progress=False)
    for path in shards.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = next(tmp_path.glob("model-00002-*"))
    data = damaged.read_bytes()
    damaged.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=rf"{damaged.name} has changed"):
        verify(tmp_path, progress=False)


def test_shards_take_the_place_of_one_file(folders: tuple[Path, Path]) -> None:
    whole, shards = folders
    output = whole.with_name("replaced")
    compress(llama_to_compress(), output, modules=FIRST_LAYER, progress=False)
    compress(llama_to_compress(), output, modules=FIRST_LAYER, progress=False, overwrite=True, shard_bytes=SHARD_BYTES)
    assert sorted(path.name for path in output.iterdir()) == sorted(path.name for path in shards.iterdir())
