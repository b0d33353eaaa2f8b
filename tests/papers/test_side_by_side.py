import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from papers.side_by_side import side_by_side


def note(name: str, folder: Path) -> None:
    """What another process runs in a paper's place."""
    print(f"{name} runs", file=sys.stderr)
    begun = time.time()
    deadline = begun + 300
    while not (folder / name).exists() and time.time() < deadline:
        (folder / f"{name}.begun").touch()
        if all((folder / f"{other}.begun").exists() for other in ("one", "two")):
            (folder / name).write_text(str(torch.get_num_threads()))
        time.sleep(0.01)


def fail(name: str, folder: Path) -> None:
    """A paper that cannot be measured, unless it is another one."""
    (folder / name).touch()
    if name == "one":
        raise ValueError("one fails")


def test_papers_run_at_the_same_time_on_a_thread_each_and_say_so_in_logs_of_their_own(tmp_path: Path) -> None:
    side_by_side(partial(note, folder=tmp_path), ["one", "two"], 2, tmp_path / "logs")
    for name in ("one", "two"):
        assert (tmp_path / name).read_text() == "1"
        assert (tmp_path / "logs" / f"{name}.log").read_text() == f"{name} runs\n"


def test_after_a_failure_no_other_paper_begins(tmp_path: Path) -> None:
    names = ["one", "two", "three", "four"]
    with pytest.raises(ValueError, match="one fails"):
        side_by_side(partial(fail, folder=tmp_path), names, 1, tmp_path / "logs")
    assert (tmp_path / "one").exists()
    assert not (tmp_path / "four").exists()
