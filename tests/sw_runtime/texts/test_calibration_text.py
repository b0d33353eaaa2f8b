"""Where a calibration text may come from."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from formats.errors import DependencyError, InputError
from sw_runtime.texts import calibration_text
from sw_runtime.texts.calibration_text import read_file, read_text


def install_data_set(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []

    def load_dataset(name: str, split: str, streaming: bool) -> Any:
        calls.append((name, split, streaming))
        return iter(rows)

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    return calls


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("a tale", encoding="utf-8")
    assert read_text(tmp_path / "text.txt") == "a tale"


def test_the_packaged_text_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration_text, "news", lambda: "300 items")
    assert read_text("packaged") == "300 items"


def test_a_data_sets_training_texts_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = install_data_set(monkeypatch, [{"text": "one"}, {"text": "two"}])
    assert read_text("datasets:tales") == "one\ntwo\n"
    assert calls == [("tales", "train", True)]


def test_no_more_of_a_data_set_is_read_than_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration_text, "CHARACTERS", 5)
    install_data_set(monkeypatch, [{"text": "one"}, {"text": "two"}, {"text": "three"}])
    assert read_text("datasets:tales") == "one\ntwo\n"


def test_a_data_set_without_texts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install_data_set(monkeypatch, [{"image": 0, "label": 1}])
    with pytest.raises(ValueError, match=r"data set cats has no column 'text', only image, label; give a plain-text"):
        read_text("datasets:cats")


def test_a_data_set_of_other_things_than_texts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install_data_set(monkeypatch, [{"text": ["one", "two"]}])
    with pytest.raises(InputError, match=r"data set cats has \['one', 'two'\] in its column 'text'; give a plain-text"):
        read_text("datasets:cats")


def test_a_data_set_without_a_name_is_refused() -> None:
    with pytest.raises(InputError, match="'datasets:' names no data set; give datasets:NAME, or a plain-text file"):
        read_text("datasets:")


@pytest.mark.parametrize("error", [FileNotFoundError("no such. Try"), ValueError("no such"), RuntimeError("no such")])
def test_a_data_set_that_cannot_be_read_is_named(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(*_: object, **options: object) -> None:
        raise error

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(InputError, match=r"data set 'cats' cannot be read \(no such\); give another name, or a plain-"):
        read_text("datasets:cats")


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        DependencyError, match=r"datasets:tales needs the package datasets: pip install 'seedloom\[eval\]'"
    ):
        read_text("datasets:tales")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(
        FileNotFoundError, match=r"no calibration text 'nowhere.txt'; give a plain-text file, 'packaged'"
    ):
        read_text("nowhere.txt")


def test_a_folder_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"there is no file '{tmp_path}'; give a plain-text file"):
        read_file(tmp_path)


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes("Käse".encode("latin-1"))
    with pytest.raises(InputError, match=rf"{tmp_path / 'text'} is not UTF-8 text \(byte 1 is 0xe4\); convert it, or"):
        read_text(tmp_path / "text")
