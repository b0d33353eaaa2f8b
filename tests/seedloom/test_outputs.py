"""Every command that writes says in one line that a place cannot be written, before it works."""

import errno
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from typer.testing import CliRunner

from seedloom.cli import app
from sw_runtime import disk_errors
from tests.models import tiny_llama


@pytest.mark.parametrize(
    "command",
    [
        "bench codec --plot {output}.svg",
        "bench router --plot {output}.svg",
        "compress {dense} {output} --calibration none",
        "export {folder} {output}",
        "export {folder} {output}.gguf --to gguf",
        "image {folder} --board ulx3s-64mb --output {output}",
        "report {folder} --output {output}",
        "verilog --output {output}",
    ],
)
def test_a_place_that_cannot_be_is_named_with_a_remedy(
    command: str, tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    output = tmp_path / "file" / "folder" / "out"
    tiny_llama().save_pretrained(tmp_path / "dense")
    arguments = command.format(folder=tiny_model(), dense=tmp_path / "dense", output=output).split()
    result = CliRunner().invoke(app, arguments)
    said = result.stderr.splitlines()[-1]
    assert (result.exit_code, result.stdout) == (1, "")
    assert said.startswith(f"error: {output}")
    assert said.endswith("cannot be written (Not a directory); name a place that exists and that you may write to")


def read_only(dir: Path) -> None:
    TemporaryFile(dir=dir).close()
    raise OSError(errno.EROFS, "Read-only file system")


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("bench codec --plot {tmp}/out.svg", "out.svg"),
        ("bench router --plot {tmp}/out.svg", "out.svg"),
        ("fit-m2r2 {folder}", "compressed/m2r2.safetensors"),
        ("simulate product --trace {tmp}/out.vcd", "out.vcd"),
    ],
)
def test_a_folder_that_is_there_and_read_only_is_named_too(
    command: str, output: str, tiny_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_errors, "TemporaryFile", read_only)
    arguments = command.format(folder=tiny_model(), tmp=tmp_path).split()
    result = CliRunner().invoke(app, arguments)
    assert result.stderr.splitlines()[-1] == (
        f"error: {tmp_path / output} cannot be written (Read-only file system); "
        "name a place that exists and that you may write to"
    )
