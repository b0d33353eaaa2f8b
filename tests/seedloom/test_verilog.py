"""``seedloom verilog`` refuses in one line what cannot be built."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from seedloom.cli import app


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--format", "int4"], "unknown format 'int4'; known are "),
        (["--format", "fp16", "--format", "fp16"], "--format must be one or more different names, not "),
        (["--port-bytes", "5"], "--port-bytes must be 4, 8, 16, 32 or 64, not 5"),
        (["--format", "paper-3bit", "--port-bytes", "4"], "--port-bytes 4 cannot carry a 36-bit word of paper-3bit"),
        (["--lanes", "65"], "--lanes must be"),
        (["--activation-bits", "4"], "--activation-bits must be 8 or 16, not 4"),
        (["--batch", "0"], "--batch must be"),
        (["--columns", "0"], "--columns must be"),
        (["--rows", "0"], "--rows must be"),
        (["--multiplier-bits", "50"], "--multiplier-bits must be"),
    ],
)
def test_a_wrong_option_is_one_line_and_writes_nothing(options: list[str], error: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["verilog", *options, "-o", str(tmp_path / "engine")])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: {error}")
    assert result.stderr.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_a_folder_of_others_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    result = CliRunner().invoke(app, ["verilog", "-o", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (1, "")
    refusal = "was not written by `seedloom verilog`, or changed since; name another folder"
    assert result.stderr == f"error: {tmp_path / 'notes.txt'} {refusal}\n"
