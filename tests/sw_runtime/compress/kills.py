"""A compression killed at random moments and started again, until enough kills are counted.

Run as a program, so that the children it forks start with everything imported and with one thread:
``python -m tests.sw_runtime.compress.kills FOLDER KILLS``. It prints the figures as JSON.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from sw_runtime.compress.folder import compress
from sw_runtime.fit import row_blocks
from tests.conftest import write_tokenizer
from tests.models import tiny_llama

TEXT_WORDS = 2100

row_blocks.WEIGHTS_A_BLOCK = 512  # a matrix has three blocks of rows or more, so that kills come between them


def write_source(folder: Path) -> None:
    """A model of two layers, 32 wide, in several files, its tokenizer, and a calibration text."""
    model = tiny_llama(hidden_size=32, intermediate_size=48, num_hidden_layers=2, max_position_embeddings=512)
    model.save_pretrained(folder, max_shard_size="20KB")
    write_tokenizer(folder)
    words = torch.randint(120, (TEXT_WORDS,), generator=torch.Generator().manual_seed(0))
    (folder / "calibration.txt").write_text(" ".join(f"w{word}" for word in words.tolist()))


def start(source: Path, output: Path) -> int:
    """A child process that compresses; it ends with code 0 once the result is whole."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        text = source / "calibration.txt"
        compress(source, output, "scaled-3bit", calibration_text=text, bits=3.6, threads=1, progress=False)
        code = 0
    except FileExistsError:  # killed after the end
        code = 0
    finally:
        os._exit(code)


def waited(child: int, seconds: float) -> int | None:
    """The child's exit status; None where it was killed, after so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        process, status = os.waitpid(child, os.WNOHANG)
        if process:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def main(folder: Path, wanted: int) -> dict[str, float]:
    """Kill as often as wanted; fails where a result differs from that of an undisturbed run."""
    source, draw = folder / "source", random.Random(0)
    write_source(source)
    begun = time.monotonic()
    assert waited(start(source, folder / "whole"), 600) == 0
    seconds, expected = time.monotonic() - begun, contents(folder / "whole")
    kills = results = with_parts = with_rows = most_in_a_row = in_a_row = 0
    while kills < wanted or in_a_row:
        output = folder / f"killed-{results}"
        longest = seconds * (1 + in_a_row / 4)  # so that a machine grown slow does not kill for ever
        status = waited(start(source, output), draw.uniform(0, longest))
        if status is None:
            kills, in_a_row = kills + 1, in_a_row + 1
            with_parts += any((output / ".partial").glob("*proj.safetensors"))
            with_rows += any((output / ".partial").glob("*.rows-*.safetensors"))
            continue
        assert status == 0, f"exit code {status}"
        assert contents(output) == expected, "a result after kills differs from an undisturbed one"
        results, most_in_a_row, in_a_row = results + 1, max(most_in_a_row, in_a_row), 0
    return {
        "files of the source's weights": len(list(source.glob("*.safetensors"))),
        "kills": kills,
        "kills that left finished parts": with_parts,
        "kills that left blocks of rows": with_rows,
        "results, all equal": results,
        "most kills before a result": most_in_a_row,
        "seconds of an undisturbed run": round(seconds, 2),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
