"""A model larger than the memory that its compression takes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sw_runtime.compress.estimate import LIBRARIES, peak_memory

ROOT = Path(__file__).parents[3]
TOKENS = 4 * 64
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "1000000", "MALLOC_ARENA_MAX": "2"}
"""Tensors that are freed go back to the system at once, so that peaks are those of tensors in use."""


def allowed(hidden: int, vocabulary: int, weight_bytes: int, spare: int) -> int:
    """What a dry run says, with as much for small buffers as is spare, as the libraries' own memory is not counted."""
    found = peak_memory(vocabulary * hidden, hidden, TOKENS, weight_bytes, threads=1)
    return sum(found.values()) - LIBRARIES + spare


@pytest.mark.parametrize(
    ("hidden", "layers", "vocabulary", "dtype", "weight_bytes", "spare"),
    [
        pytest.param(512, 32, 1024, "float32", 4, 96_000_000, id="47 million weights"),
        pytest.param(1024, 172, 32000, "bfloat16", 2, LIBRARIES, id="a billion weights", marks=pytest.mark.soak),
    ],
)
def test_a_model_larger_than_the_memory_allowed_is_compressed(
    hidden: int, layers: int, vocabulary: int, dtype: str, weight_bytes: int, spare: int, tmp_path: Path
) -> None:
    sizes = map(str, (hidden, layers, vocabulary))
    command = [sys.executable, "-m", "tests.sw_runtime.compress.memory", str(tmp_path), *sizes, dtype]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | ALLOCATOR, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    limit = allowed(hidden, vocabulary, weight_bytes, spare)
    print(figures | {"limit": limit})
    assert figures["peak"] < limit < figures["weights"]
