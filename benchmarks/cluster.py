"""How compression scales over a cluster, and how much of it stays with the process that drives it.

``python benchmarks/cluster.py`` compresses the first two layers of SmolLM2-135M, fitted to the packaged news, on
Ray clusters of one and of two cores of this machine, and prints a row each. What the driver does itself (running the
model, covariances, factors, judging) is its CPU time; from both follows what a larger model takes on n cores. Run it
on an idle machine: the driver needs a core too.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import seedloom
from sw_runtime.texts.packaged_models import smollm2_folder

FIRST = r"layers\.0\.self_attn\.k_proj"
"""A layer that is compressed alone before: starting workers and reading the text is then known and taken off."""

LAYERS = r"layers\.[01]\."

WEIGHTS = 2 * (2 * 576 * 576 + 2 * 192 * 576 + 3 * 1536 * 576) - 192 * 576
"""Weights of the layers, without the first one's."""

RAY = str(Path(sys.executable).with_name("ray"))


def measure(cores: int) -> tuple[float, float]:
    """Seconds of a compression, and CPU seconds of them in this process, without what any number of weights costs."""
    subprocess.run([RAY, "start", "--head", f"--num-cpus={cores}"], check=True, stdout=subprocess.DEVNULL)
    try:
        with tempfile.TemporaryDirectory() as folder:
            spent = []
            for name, modules in (("first", FIRST), ("layers", LAYERS)):
                start, cpu = time.perf_counter(), time.process_time()
                seedloom.compress(
                    smollm2_folder(),
                    Path(folder) / name,
                    calibration_text="packaged",
                    modules=modules,
                    cluster="auto",
                )
                spent.append((time.perf_counter() - start, time.process_time() - cpu))
            (wall_before, cpu_before), (wall, cpu) = spent
            return wall - wall_before, cpu - cpu_before
    finally:
        subprocess.run([RAY, "stop", "--force"], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Measure, print a table."""
    print("| cores | seconds | weights per second | CPU seconds of the driver |\n|---:|---:|---:|---:|")
    for cores in (1, 2):
        wall, cpu = measure(cores)
        print(f"| {cores} | {wall:.1f} | {WEIGHTS / wall:,.0f} | {cpu:.1f} |", flush=True)
    print(f"{WEIGHTS:,} weights; this machine has {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
