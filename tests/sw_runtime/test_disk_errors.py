"""Before any work it is known whether a place can be written, and whose disk is full."""

import errno
from pathlib import Path

import pytest

from sw_runtime import disk_errors
from sw_runtime.disk_errors import as_system_errors, check_writable


def test_a_full_disk_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(dir: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(disk_errors, "TemporaryFile", full)
    with pytest.raises(OSError, match=rf"^\[Errno 28\] full: '{tmp_path}'$"):
        check_writable(tmp_path, tmp_path / "out")


def test_an_error_without_a_path_is_given_that_of_the_output(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=rf"^\[Errno 28\] full: '{tmp_path}'$"), as_system_errors(tmp_path):
        raise OSError(errno.ENOSPC, "full")
