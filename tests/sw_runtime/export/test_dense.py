"""A compressed folder as an ordinary one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from formats.errors import CheckpointError, InputError
from golden_models.seedlm.codec import decode
from sw_runtime.export.folder import export
from sw_runtime.nn.attach import compressed_linears
from tests.models import tiny_llama


@pytest.fixture
def folder(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model()


def test_every_weight_equals_the_decoded_one_bit_by_bit_and_others_are_as_they_were(
    folder: Path, tmp_path: Path
) -> None:
    tensors = load_file(export(folder, tmp_path / "dense") / "model.safetensors")
    model = AutoModelForCausalLM.from_pretrained(folder)
    decoded = {f"{name}.weight": decode(layer.encoded_matrix()) for name, layer in compressed_linears(model).items()}
    others = {name: tensor for name, tensor in load_file(folder / "model.safetensors").items() if name not in decoded}
    wanted = decoded | {name: tensor for name, tensor in others.items() if not name.endswith("weight_scale")}
    assert tensors.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(tensors[name], tensor), name


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_dtype_gives_what_the_compressed_model_computes_in_it(dtype: str, folder: Path, tmp_path: Path) -> None:
    tokens = torch.tensor([[1, 5, 9, 2]])
    dense = AutoModelForCausalLM.from_pretrained(export(folder, tmp_path / "dense", dtype=dtype))
    compressed = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    assert dense.dtype == getattr(torch, dtype)
    assert torch.equal(dense(tokens).logits, compressed(tokens).logits)


def test_what_lies_beside_the_weights_comes_along_and_what_is_about_the_compression_does_not(
    folder: Path, tmp_path: Path
) -> None:
    for name in ("README.md", "report.json", "golden_tokens.json", "calibration.txt", "LICENSE"):
        (folder / name).write_text("{}")
    dense = export(folder, tmp_path / "dense")
    names = {path.name for path in dense.iterdir()}
    assert names == {
        "LICENSE",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert len({path.stat().st_mode for path in dense.iterdir() if path.name in names - {"LICENSE"}}) == 1
    assert AutoTokenizer.from_pretrained(dense)("w5 w7").input_ids == [5, 7]


def test_what_is_there_is_never_written_over(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "dense").mkdir()
    with pytest.raises(FileExistsError, match="dense is there already; choose another name, or delete it"):
        export(folder, tmp_path / "dense")
    assert not list((tmp_path / "dense").iterdir())


def test_a_folder_that_is_not_compressed_is_refused(tmp_path: Path) -> None:
    tiny_llama(num_hidden_layers=1).save_pretrained(tmp_path / "model")
    with pytest.raises(CheckpointError, match="is not compressed"):
        export(tmp_path / "model", tmp_path / "dense")


def test_a_target_or_dtype_that_there_is_not_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder is exported to dense or gguf, not 'onnx'"):
        export(folder, tmp_path / "out", "onnx")
    with pytest.raises(InputError, match=r"out\.gguf is a GGUF file's name, and --to dense writes a folder; add --to"):
        export(folder, tmp_path / "out.gguf")
    with pytest.raises(InputError, match="dense weights are float32, bfloat16, float16, not 'int8'"):
        export(folder, tmp_path / "out", dtype="int8")
