"""kill -9 at random moments costs nothing but time: started again, a compression gives the same bytes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.soak)])
def test_a_killed_compression_goes_on_to_the_same_bytes(kills: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.sw_runtime.compress.kills", str(tmp_path), str(kills)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    print(figures)
    assert figures["kills"] >= kills
    assert figures["results, all equal"] >= 1
    assert figures["kills that left finished parts"] >= 1
    assert figures["files of the source's weights"] > 1
