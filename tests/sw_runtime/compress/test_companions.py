"""What lies beside a model's weights is copied; weights of other frameworks are not."""

import logging
from pathlib import Path

import pytest

from sw_runtime.compress.companions import copy_companions


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"this is {name}")
    return folder


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def copied(tmp_path: Path, *files: str) -> set[str]:
    (tmp_path / "out").mkdir()
    copy_companions(write(tmp_path / "source", *files), tmp_path / "out", without=["config.json"])
    return names(tmp_path / "out")


def test_files_and_sub_folders_are_copied(tmp_path: Path) -> None:
    wanted = {
        "chat_template.jinja",
        "additional_chat_templates/tool_use.jinja",
        "preprocessor_config.json",
        "tokenizer.model",
        "modeling_own.py",
        "assets/deep/a.json",
        "LICENSE",
    }
    assert copied(tmp_path, *wanted) == wanted
    for name in wanted:
        assert (tmp_path / "out" / name).read_text() == f"this is {name}"


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors",
        "model-00001-of-00002.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
        "flax_model.msgpack",
        "flax_model.msgpack.index.json",
        "rust_model.ot",
        "model.onnx",
        "model.onnx_data",
        "tf_model.h5",
        "consolidated.00.pth",
        "optimizer.pt",
        "model.Q4_1.gguf",
    ],
)
def test_weights_of_no_framework_are_copied(name: str, tmp_path: Path) -> None:
    assert copied(tmp_path, name, "tokenizer.json") == {"tokenizer.json"}


def test_a_sub_folder_that_holds_weights_is_left_out_whole_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = ["onnx/model.onnx", "onnx/config.json", "onnx/more/a.txt", "a/checkpoint-5/model.safetensors", "a/kept.txt"]
    with caplog.at_level(logging.WARNING):
        assert copied(tmp_path, *files) == {"a/kept.txt"}
    assert caplog.messages == ["not copied, as weights are in it: a/checkpoint-5/, onnx/"]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    assert copied(tmp_path, ".gitattributes", ".git/config", ".cache/a/b.json", "vocab.txt") == {"vocab.txt"}


def test_files_that_are_written_otherwise_are_left_out_of_the_folder_itself_only(tmp_path: Path) -> None:
    assert copied(tmp_path, "config.json", "1_Pooling/config.json") == {"1_Pooling/config.json"}


def test_files_behind_links_are_copied_as_files(tmp_path: Path) -> None:
    write(tmp_path / "blobs", "a1")
    write(tmp_path / "source", "vocab.txt")
    (tmp_path / "source" / "merges.txt").symlink_to(tmp_path / "blobs" / "a1")
    assert copied(tmp_path) == {"vocab.txt", "merges.txt"}
    assert not (tmp_path / "out" / "merges.txt").is_symlink()
