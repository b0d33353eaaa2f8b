"""Simulated cycles per second of CPU time, of every unit that is simulated; the table of docs/benchmarks.md.

``python benchmarks/simulation.py`` prints Markdown. The decoder is simulated with and without units that rest
(``sw_runtime/device/simulator/resting_units.py``), so the ratio is of one run. What the cache has not yet is compiled
first: two minutes of CPU time.
"""

import time
from collections.abc import Callable
from contextlib import closing
from random import Random
from unittest import mock

import numpy as np
import torch

from benchmarks.decoder_papers import BOARD, KV_BITS, SMOLLM2, SMOLLM2_DIM, VOCABULARY, Drawn
from formats.engine import EngineParameters
from formats.router.descriptor import RouterParameters
from seedloom.bench_router import commands
from sw_runtime.decoder.compiler import compile_program
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.simulated import SimulatedDecoder
from sw_runtime.device.protocol import Device
from sw_runtime.device.random_matrices import random_activations, random_matrix
from sw_runtime.device.simulated import simulated_device, simulated_router
from sw_runtime.device.simulated_board import simulated_board

ENGINE = EngineParameters(("trellis-4bit",), port_bytes=64, maximum_columns=2048, maximum_rows=2048)
ONE_LANE = EngineParameters(("trellis-4bit",), port_bytes=4, maximum_columns=2048, maximum_rows=2048)

Speed = tuple[int, float]
"""Cycles, and seconds of CPU time."""


def timed(run: Callable[[], int]) -> Speed:
    """Cycles of a run, and what it took."""
    start = time.process_time()
    return run(), time.process_time() - start


def decoder(tokens: int = 3) -> Speed:
    """A layer of SmolLM2's widths and a head of few rows, token by token."""
    drawn = Drawn(SMOLLM2_DIM)
    parts = drawn.parts([drawn.layer(SMOLLM2)], VOCABULARY)
    embeddings = np.random.default_rng(0).standard_normal((tokens, SMOLLM2_DIM), dtype=np.float32)
    with closing(SimulatedDecoder(Image.of(compile_program(parts, KV_BITS), parts.matrices, BOARD))) as board:
        return timed(lambda: sum(board.take(embedding[None]).cycles for embedding in embeddings))


def product(device: Device, rows: int = 2048) -> Speed:
    """A product of 2,048 columns."""
    handle, activations = device.load(random_matrix("trellis-4bit", rows, 2048)), random_activations(1, 2048, 16)

    def run() -> int:
        before = device.counters
        device.matvec(handle, activations)
        return (device.counters - before).cycles

    with closing(device):
        return timed(run)


def every_command(keys: int = 4096) -> Speed:
    """Every command of a router, on so many keys."""
    with closing(simulated_router(RouterParameters(lanes=4))) as router:
        requests = [request for _, request in commands(keys, Random(0))]
        return timed(lambda: sum(router.execute(request)[1] for request in requests))


def line(name: str, speed: Speed, always: Speed | None = None) -> None:
    """Print a row."""
    cycles, seconds = speed
    rate = cycles / seconds
    others = "| |"
    if always:
        assert always[0] == cycles, "units that rest change no cycle"
        others = f"{always[0] / always[1] / 1e3:,.0f} | {rate * always[1] / always[0]:.2f} |"
    print(f"| {name} | {cycles:,} | {rate / 1e3:,.0f} | {others}", flush=True)


def main() -> None:
    """Measure all of them."""
    print("| unit | cycles | K cycles/s | K cycles/s without resting units | ratio |\n|---|---:|---:|---:|---:|")
    with mock.patch("sw_runtime.device.simulator.build.with_resting_units", lambda verilog: verilog):
        always = decoder()
    line("whole decoder of one lane, with its memory chip", decoder(), always)
    with mock.patch("sw_runtime.decoder.simulated.LARGE_IMAGE_BYTES", 0):
        line("the same, compiled as for a large image", decoder(), always)
    line("board of one lane, with its memory chip", product(simulated_board("ulx3s-64mb", ONE_LANE), 512))
    line("engine of 16 lanes", product(simulated_device(ENGINE, simulators=1)))
    line("router of 4 lanes, every command on 4,096 keys", every_command())


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
