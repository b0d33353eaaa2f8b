"""Runs product.txt through the engine and compares every result with the integers it must give.

``python cocotb_bench.py`` builds and runs it in the current folder with Icarus Verilog, ``SIM=verilator python
cocotb_bench.py`` with Verilator; it needs cocotb 2. An unknown bit (x) on an output fails.
"""

import os
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge
from cocotb_tools.runner import get_runner

FOLDER = Path(__file__).resolve().parent
TOP = "seedloom_engine"
RESULT_BITS = 64
BUILD_OPTIONS = {"verilator": ["-Wno-fatal", "-Wno-WIDTH", "-Wno-INITIALDLY"]}


def lines(kind: str) -> list[list[str]]:
    """The words of the product's lines that begin with ``kind``."""
    words = [line.split() for line in (FOLDER / "product.txt").read_text(encoding="utf-8").splitlines()]
    return [rest for first, *rest in words if first == kind]


def known(signal: Any) -> int:
    """The value of an output; a ValueError if a bit of it is unknown."""
    return int(signal.value.to_unsigned() if len(signal) > 1 else int(signal.value))


async def send_command(dut: Any) -> None:
    """Offer the command until it is taken."""
    await FallingEdge(dut.clk)
    if hasattr(dut, "i_command__payload"):  # the smallest engines have none
        dut.i_command__payload.value = int(lines("command")[0][0], 16)
    await offer(dut, dut.i_command__valid, dut.i_command__ready)


async def send_data(dut: Any, pauses: bool) -> None:
    """Offer the beats of activations and weights, one after the other."""
    await FallingEdge(dut.clk)
    for number, (digits,) in enumerate(lines("data")):
        if pauses and number % 3 == 1:
            await FallingEdge(dut.clk)
        dut.i_data__payload.value = int(digits, 16)
        await offer(dut, dut.i_data__valid, dut.i_data__ready)


async def offer(dut: Any, valid: Any, ready: Any) -> None:
    """Hold an offer from a falling edge until after the rising edge at which it is taken."""
    valid.value = 1
    taken = False
    while not taken:
        await ReadOnly()
        taken = bool(known(ready))
        await FallingEdge(dut.clk)
    valid.value = 0


async def check_results(dut: Any, pauses: bool) -> None:
    """Take every beat of results and compare it."""
    for number, wanted in enumerate(lines("results")):
        await FallingEdge(dut.clk)
        if pauses:
            dut.o_results__ready.value = 0
            for _ in range(3):
                await FallingEdge(dut.clk)
        dut.o_results__ready.value = 1
        await ReadOnly()
        while not known(dut.o_results__valid):
            await FallingEdge(dut.clk)
            await ReadOnly()
        beat = known(dut.o_results__payload)
        for place, value in enumerate(wanted):
            found = beat >> RESULT_BITS * place & (1 << RESULT_BITS) - 1
            found -= (found >> RESULT_BITS - 1) << RESULT_BITS
            assert value in ("-", str(found)), f"result {place} of beat {number} is {found}, not {value}"
        await RisingEdge(dut.clk)


async def run(dut: Any, pauses: bool) -> None:
    """One product; the engine starts without a reset, as it does after power-up."""
    for name in ("rst", "i_command__valid", "i_data__valid", "i_data__payload", "o_results__ready"):
        getattr(dut, name).value = 0
    Clock(dut.clk, 10, unit="ns").start(start_high=False)  # inputs are known before the first rising edge
    tasks = [cocotb.start_soon(send_command(dut)), cocotb.start_soon(send_data(dut, pauses))]
    await check_results(dut, pauses)
    for task in tasks:
        await task


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def results_equal_the_integer_product(dut: Any) -> None:
    """Without pauses."""
    await run(dut, pauses=False)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def pauses_change_no_result(dut: Any) -> None:
    """Memory and host pause."""
    await run(dut, pauses=True)


if __name__ == "__main__":
    simulator = os.environ.get("SIM", "icarus")
    runner = get_runner(simulator)
    build = Path.cwd() / "sim_build"
    runner.build(
        sources=[FOLDER / f"{TOP}.v"],
        hdl_toplevel=TOP,
        build_dir=build,
        build_args=BUILD_OPTIONS.get(simulator, []),
        timescale=("1ns", "1ns"),
    )
    runner.test(hdl_toplevel=TOP, test_module=Path(__file__).stem, build_dir=build, test_dir=build)
