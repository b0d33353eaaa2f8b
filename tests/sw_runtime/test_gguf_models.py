"""A GGUF file as a Hugging Face folder: every weight to the last bit, the tokenizer, and what cannot be read."""

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from formats.errors import CheckpointError
from sw_runtime import gguf_models
from sw_runtime.export.folder import export
from sw_runtime.gguf_models import folder_of_gguf
from tests.sw_runtime.export.conftest import TEXT, write_compressed


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_compressed(tmp_path_factory.mktemp("model"), LlamaForCausalLM)


@pytest.fixture(scope="module")
def file(compressed: Path) -> Path:
    return export(compressed, compressed.parent / "tiny.gguf", "gguf")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEEDLOOM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_weights_and_tokens_are_those_of_the_file(file: Path, compressed: Path) -> None:
    folder = folder_of_gguf(file)
    weights = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    wanted = AutoModelForCausalLM.from_pretrained(compressed).dequantize().state_dict()
    assert weights.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(weights[name], tensor), name
    tokenizers = (AutoTokenizer.from_pretrained(path) for path in (folder, compressed))
    one, other = (tokenizer(TEXT).input_ids for tokenizer in tokenizers)
    assert one == other


def test_the_folder_is_made_once_and_named_by_the_files_content(file: Path, tmp_path: Path, cache: Path) -> None:
    folder = folder_of_gguf(file)
    made = (folder / "config.json").stat().st_mtime_ns
    assert folder_of_gguf(file) == folder
    assert (folder / "config.json").stat().st_mtime_ns == made
    assert folder.name == "tiny"
    assert [path.name for path in (cache / "models").iterdir()] == [folder.parent.name]
    with open(file, "rb") as content:
        (tmp_path / "tiny.gguf").write_bytes(content.read() + bytes(32))
    assert folder_of_gguf(tmp_path / "tiny.gguf") != folder


def test_quantised_weights_are_warned_of(
    file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_models, "convert_gguf", lambda file, folder, remedy: None)
    folder_of_gguf(file)
    assert not caplog.messages
    writer = gguf.GGUFWriter(tmp_path / "q.gguf", "llama")
    writer.add_tensor("output.weight", np.zeros((2, 34), np.uint8), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    write(writer)
    folder_of_gguf(tmp_path / "q.gguf")
    assert caplog.messages == ["q.gguf is quantised already (Q8_0): what compression loses adds to that"]


@pytest.mark.parametrize("content", [b"GGUF" + bytes(40), b"no GGUF file at all", b""])
def test_a_damaged_file_is_named_in_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"bad\.gguf cannot be read \(.+\); copy the file again"):
        folder_of_gguf(tmp_path / "bad.gguf")


def test_an_architecture_that_transformers_does_not_read_is_named(tmp_path: Path) -> None:
    write_header(tmp_path / "other.gguf", "plamo")
    with pytest.raises(
        CheckpointError, match=r"other\.gguf cannot be read \(.*plamo.*\); give another file of the mod"
    ):
        folder_of_gguf(tmp_path / "other.gguf")


def test_one_part_of_several_is_refused(tmp_path: Path) -> None:
    write_header(tmp_path / "a-00001-of-00003.gguf", "llama", parts=3)
    with pytest.raises(CheckpointError, match=r"a-00001-of-00003\.gguf is one of 3 parts; join them: llama-gguf-split"):
        folder_of_gguf(tmp_path / "a-00001-of-00003.gguf")


def write_header(file: Path, architecture: str, parts: int = 1) -> None:
    """A file without tensors."""
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_uint16("split.count", parts)
    write(writer)


def write(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_full_disk_asks_for_room_and_leaves_nothing(file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save(*_: object, **options: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(LlamaForCausalLM, "save_pretrained", save)
    with pytest.raises(OSError, match=rf"no space is left \(No space left .*\); make room and start again: '{cache}"):
        folder_of_gguf(file)
    assert not list((cache / "models").glob("*/*"))


def test_a_folder_that_another_process_made_meanwhile_is_taken(
    file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(model: object, folder: Path) -> None:
        (folder.parents[1] / "tiny").mkdir()
        folder.mkdir()

    monkeypatch.setattr(LlamaForCausalLM, "save_pretrained", save)
    assert folder_of_gguf(file).is_dir()
