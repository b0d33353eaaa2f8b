"""One writer a folder: the second one is told who the first is; what a dead one left is taken over."""

import json
import logging
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from formats.errors import InputError
from sw_runtime.compress.lock import FILE, only_writer, release


def test_the_lock_is_there_while_it_is_held(tmp_path: Path) -> None:
    with only_writer(tmp_path / "out"):
        writer = json.loads((tmp_path / "out" / FILE).read_text())
        assert (writer["host"], writer["process"]) == (socket.gethostname(), os.getpid())
    assert not list((tmp_path / "out").iterdir())


def test_the_lock_is_given_back_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), only_writer(tmp_path):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_a_second_writer_is_told_who_the_first_is_and_since_when(tmp_path: Path) -> None:
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"
    host = re.escape(socket.gethostname())
    message = (
        rf"out is being written by process {os.getpid()} on {host}, since {time}; "
        "wait for its end, or choose another folder"
    )
    with only_writer(tmp_path / "out"):
        with pytest.raises(InputError, match=message), only_writer(tmp_path / "out"):
            pass
        assert (tmp_path / "out" / FILE).exists()


def killed_holder(folder: Path) -> int:
    """The number of a process that was killed while it held the folder."""
    child = os.fork()
    if not child:
        with only_writer(folder):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    return child


def test_what_a_dead_process_left_is_taken_over_with_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    child = killed_holder(tmp_path)
    assert (tmp_path / FILE).exists()
    with caplog.at_level(logging.WARNING, "seedloom.compress"), only_writer(tmp_path):
        assert json.loads((tmp_path / FILE).read_text())["process"] == os.getpid()
    (line,) = (record.getMessage() for record in caplog.records)
    assert re.search(rf"was being written by process {child} on .*, since .*, which has ended; going on", line)


def test_a_damaged_lock_is_taken_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).write_text('{"host": ')
    with only_writer(tmp_path):
        pass
    assert "was being written by another process, which has ended" in caplog.text


def test_the_lock_of_another_machine_is_left_alone(tmp_path: Path) -> None:
    lock = tmp_path / FILE
    lock.write_text(json.dumps({"host": "elsewhere", "process": 7, "since": "noon"}))
    message = r"written by process 7 on elsewhere, since noon; if that has ended, delete .*\.writer\.json"
    with pytest.raises(InputError, match=message), only_writer(tmp_path):
        pass
    assert lock.exists()


def test_only_the_own_lock_is_released(tmp_path: Path) -> None:
    release(tmp_path)
    killed_holder(tmp_path)
    release(tmp_path)
    assert (tmp_path / FILE).exists()
    with only_writer(tmp_path):
        release(tmp_path)
        assert not (tmp_path / FILE).exists()
