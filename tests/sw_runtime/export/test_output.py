"""What is exported is there whole, or not at all."""

import errno
from pathlib import Path

import pytest
from safetensors import SafetensorError

from sw_runtime.export.output import whole_output


def test_what_is_written_is_moved_to_the_output_at_the_end(tmp_path: Path) -> None:
    with whole_output(tmp_path / "new" / "out") as path:
        path.mkdir()
        (path / "a.txt").write_text("a")
        assert not (tmp_path / "new" / "out").exists()
    assert (tmp_path / "new" / "out" / "a.txt").read_text() == "a"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]


def write_and_raise(output: Path, error: Exception) -> None:
    with whole_output(output) as path:
        path.write_text("half")
        raise error


def test_after_an_error_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write_and_raise(tmp_path / "out", ZeroDivisionError())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("16384 requested and 4728 written"),  # numpy's words
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_asks_for_room(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"no space is left \(No space left .*\); make room and start again: '.*out'"):
        write_and_raise(tmp_path / "out", error)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_elsewhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"make room and start again: 'build/bitstream'$"):
        write_and_raise(tmp_path / "out", OSError(errno.ENOSPC, "full", "build/bitstream"))


def test_what_another_process_wrote_meanwhile_is_kept(tmp_path: Path) -> None:
    def write_while_another_does(output: Path) -> None:
        with whole_output(output) as path:
            path.write_text("ours")
            output.write_text("theirs")

    with pytest.raises(FileExistsError, match="out is there already; choose another name, or delete it"):
        write_while_another_does(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "theirs"
