"""A new result takes the place of an older one, and nothing else is touched."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sw_runtime.compress import replace as replace_module
from sw_runtime.compress.replace import files_of, replace


def write_result(folder: Path, version: str, *others: str) -> Path:
    names = ["config.json", "model.safetensors", *others]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(version)
    (folder / "checksums.json").write_text(json.dumps({"tensors": {}, "files": dict.fromkeys(names, "digest")}))
    return folder


def test_the_model_its_configuration_and_the_checksums_come_last(tmp_path: Path) -> None:
    index = "model.safetensors.index.json"
    result = write_result(tmp_path, "new", "tokenizer.json", "templates/chat.jinja", index, "zebra.txt")
    others = ["templates/chat.jinja", "tokenizer.json", "zebra.txt"]
    assert files_of(result) == [*others, "model.safetensors", index, "config.json", "checksums.json"]


def test_files_of_the_older_result_go_and_all_others_stay(tmp_path: Path) -> None:
    output = write_result(tmp_path / "out", "old", "tokenizer.json", "templates/chat.jinja")
    (output / "runs").mkdir()
    (output / "runs" / "log.txt").write_text("mine")
    (output / "notes.txt").write_text("mine")
    result = write_result(tmp_path / "new", "new", "tokenizer.json")
    expected = {name: (result / name).read_text() for name in files_of(result)}
    replace(output, result)
    assert {name: (output / name).read_text() for name in expected} == expected
    assert not (output / "templates" / "chat.jinja").exists()
    assert (output / "notes.txt").read_text() == (output / "runs" / "log.txt").read_text() == "mine"


@pytest.mark.parametrize("checksums", ["", "{", '{"tensors": {}}', '{"files": 7}', '{"files": {"../letter.txt": ""}}'])
def test_checksums_that_list_nothing_of_the_folder_delete_nothing(checksums: str, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    output = write_result(tmp_path / "out", "old", "tokenizer.json")
    (output / "checksums.json").write_text(checksums)
    replace(output, write_result(tmp_path / "new", "new"))
    assert (output / "tokenizer.json").exists()
    assert (tmp_path / "letter.txt").exists()


@pytest.mark.parametrize("begun_again", ["again", "new"], ids=["with all files", "with those that are left"])
@pytest.mark.parametrize("moves", range(4))
def test_stopped_after_any_move_it_can_be_called_again(
    moves: int, begun_again: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = write_result(tmp_path / "out", "old", "vocabulary.txt")
    arguments: tuple[Any, ...] = ("new", "tokenizer.json")
    move, done = os.replace, 0

    def stop(source: Path, target: Path) -> None:
        nonlocal done
        if done == moves:
            raise KeyboardInterrupt
        done += 1
        move(source, target)

    with monkeypatch.context() as stopped:
        stopped.setattr(replace_module.os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            replace(output, write_result(tmp_path / "new", *arguments))
    assert (output / "config.json").read_text() == ("new" if moves == 3 else "old")
    write_result(tmp_path / "again", *arguments)
    replace(output, tmp_path / begun_again)
    assert files_of(output) == ["tokenizer.json", "model.safetensors", "config.json", "checksums.json"]
    assert (output / "config.json").read_text() == "new"
