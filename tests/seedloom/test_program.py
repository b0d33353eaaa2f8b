"""``seedloom program``: a bitstream goes into a board, or one line says what is missing."""

import hashlib
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seedloom.cli import app


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a bitstream, and a loader that notes how it is called and exits with what is in ``status``."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "build" / "bitstream" / "ulx3s-85f"
    folder.mkdir(parents=True)
    (folder / "seedloom.bit").write_text("bits")
    (tmp_path / "status").write_text("0")
    loader = tmp_path / "bin" / "openFPGALoader"
    loader.parent.mkdir()
    loader.write_text('#!/bin/sh\necho "$@" > called\nread status < status\nexit $status\n')
    loader.chmod(loader.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(loader.parent))
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["program", *arguments])
    return result.exit_code, result.output


def test_a_bitstream_is_loaded(made: Path) -> None:
    assert run("ulx3s-85f") == (0, "ulx3s-85f runs build/bitstream/ulx3s-85f/seedloom.bit\n")
    assert (made / "called").read_text() == "--board ulx3s build/bitstream/ulx3s-85f/seedloom.bit\n"


def test_a_bitstream_that_its_hashes_list_is_loaded(made: Path) -> None:
    folder = made / "build" / "bitstream" / "ulx3s-85f"
    others = f"{hashlib.sha256(b'netlist').hexdigest()}  seedloom.il\n"
    (folder / "hashes.txt").write_text(f"{others}{hashlib.sha256(b'bits').hexdigest()}  seedloom.bit\n")
    assert run("ulx3s-85f") == (0, "ulx3s-85f runs build/bitstream/ulx3s-85f/seedloom.bit\n")


@pytest.mark.parametrize("listed", [f"{hashlib.sha256(b'other bits').hexdigest()}  seedloom.bit\n", ""])
def test_a_bitstream_that_its_hashes_do_not_list_is_not_loaded(listed: str, made: Path) -> None:
    folder = made / "build" / "bitstream" / "ulx3s-85f"
    (folder / "hashes.txt").write_text(listed)
    place = "build/bitstream/ulx3s-85f"
    said = f"{place}/seedloom.bit is not what {place}/hashes.txt lists: it is damaged, or of another run"
    assert run("ulx3s-85f") == (1, f"error: {said}; make bitstream BOARD=ulx3s-85f makes it again\n")
    assert not (made / "called").exists()


def test_or_written_to_the_flash_memory(made: Path) -> None:
    assert run("ulx3s-85f", "--flash")[0] == 0
    assert "--write-flash" in (made / "called").read_text()


def test_a_loader_that_fails_is_an_error(made: Path) -> None:
    (made / "status").write_text("3")
    status, output = run("ulx3s-85f")
    assert status == 1
    assert "openFPGALoader failed" in output
    assert "runs" not in output


def test_a_bitstream_that_was_not_made_comes_with_the_remedy(made: Path) -> None:
    status, output = run("ulx3s-25f")
    assert status == 1
    assert "seedloom.bit does not exist; make bitstream BOARD=ulx3s-25f makes it" in output


def test_a_missing_loader_comes_with_the_remedy(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(made))
    status, output = run("ulx3s-85f")
    assert status == 1
    assert "openFPGALoader is not on the path; install it" in output


def test_an_unknown_board_is_refused_with_the_known_ones(made: Path) -> None:
    status, output = run("ulx3s")
    assert status == 1
    assert "no bitstream is made for board 'ulx3s'; choose from ulx3s-25f" in output
