"""The folder of Verilog is the same every time, and takes the place of nothing but itself."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from formats.engine import EngineParameters
from formats.errors import InputError
from sw_runtime.takeaway.folder import write_verilog
from tests.sw_runtime.takeaway.conftest import SMALL


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_another_process_with_another_order_of_sets_writes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    options = ["--port-bytes", "8", "--columns", "64", "--rows", "64", "-o", str(tmp_path / "engine")]
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    command = [sys.executable, "-m", "seedloom", "verilog", *options]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    assert contents(tmp_path / "engine") == contents(folder)
    assert [Path(line).name for line in printed.splitlines()] == sorted(contents(folder))


def test_the_table_of_ports_is_that_of_the_verilog(folder: Path) -> None:
    text = (folder / "seedloom_engine.v").read_text()
    module = text[text.index("\nmodule seedloom_engine(") : text.index("endmodule")]
    declared = re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);$", module, re.MULTILINE)
    rows = re.findall(r"^\| `(\w+)` \| (input|output) \| (\d+) \| .+ \|$", (folder / "README.md").read_text(), re.M)
    assert len(rows) == 11
    assert {(name, direction, int(bits)) for name, direction, bits in rows} == {
        (name, direction, int(high or 0) + 1) for direction, high, name in declared
    }


def test_the_fields_of_the_command_fill_its_payload(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    fields = re.findall(r"^\| `(\w+)` \| (\d+):(\d+) \|", text, re.MULTILINE)
    assert fields == [("column_blocks", "2", "0"), ("row_groups", "7", "3")]
    assert "| `i_command__payload` | input | 8 |" in text


def test_a_folder_written_before_is_written_over(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "engine")
    write_verilog(EngineParameters(("fp16",), port_bytes=4, maximum_columns=16, maximum_rows=8), tmp_path / "engine")
    assert "of fp16" in (tmp_path / "engine" / "README.md").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["engine"]


def test_an_empty_folder_is_taken(folder: Path, tmp_path: Path) -> None:
    write_verilog(SMALL, tmp_path)
    assert contents(tmp_path) == contents(folder)


@pytest.mark.parametrize(
    ("name", "text"),
    [("notes.txt", "mine"), ("bench.cpp", "changed"), ("checksums.json", "{}"), ("checksums.json", "")],
)
def test_a_folder_that_holds_something_else_is_left_alone(folder: Path, tmp_path: Path, name: str, text: str) -> None:
    shutil.copytree(folder, tmp_path / "engine")
    (tmp_path / "engine" / name).write_text(text)
    before = contents(tmp_path / "engine")
    with pytest.raises(InputError, match="was not written by `seedloom verilog`, or changed since; name another"):
        write_verilog(SMALL, tmp_path / "engine")
    assert contents(tmp_path / "engine") == before


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "engine").write_text("mine")
    with pytest.raises(InputError, match="engine is no folder; name another"):
        write_verilog(SMALL, tmp_path / "engine")


def test_a_place_that_cannot_be_written_is_refused_before_the_verilog_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("sw_runtime.takeaway.folder._texts", None)
    with pytest.raises(InputError, match=r"cannot be written .*; name a place that exists and that you may write to"):
        write_verilog(SMALL, tmp_path / "file" / "engine")
