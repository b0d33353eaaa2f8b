"""Bytes over one wire, between clocks that differ a little."""

from random import Random

import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.link.uart import UartReceiver, UartTransmitter


def waveform(octets: bytes, divisor: int) -> list[int]:
    """What a transmitter of this divisor puts on the wire, a value a cycle; it is offered bytes without a pause."""
    dut, wire = UartTransmitter(divisor), []

    async def bench(context: SimulatorContext) -> None:
        waiting = list(reversed(octets))
        for _ in range((10 * divisor + 1) * len(octets) + 2 * divisor):
            context.set(dut.i.valid, bool(waiting))
            context.set(dut.i.payload, waiting[-1] if waiting else 0)
            if waiting and context.get(dut.i.ready):
                waiting.pop()
            wire.append(context.get(dut.tx))
            await context.tick()

    _run(dut, bench)
    return wire


def received(wire: list[int], divisor: int) -> bytes:
    """What a receiver of this divisor makes of a wire."""
    dut, octets = UartReceiver(divisor), bytearray()

    async def bench(context: SimulatorContext) -> None:
        for value in [1, 1, *wire, *[1] * 12 * divisor]:
            context.set(dut.rx, value)
            if context.get(dut.o.valid):
                octets.append(context.get(dut.o.payload))
            await context.tick()

    _run(dut, bench)
    return bytes(octets)


def _run(dut: UartReceiver | UartTransmitter, bench: object) -> None:
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("divisor", [4, 5, 33])
def test_bytes_without_a_pause_arrive(divisor: int) -> None:
    octets = bytes((0, 255, 0x55, 0xAA)) + Random(divisor).randbytes(6)
    assert received(waveform(octets, divisor), divisor) == octets


@pytest.mark.parametrize("theirs", [32, 34])
def test_a_clock_that_is_three_percent_off_is_no_matter(theirs: int) -> None:
    octets = bytes((0, 255, 0x55, 0xAA)) + Random(theirs).randbytes(6)
    assert received(waveform(octets, theirs), 33) == octets


def test_a_byte_is_a_start_bit_the_lowest_bit_first_and_a_stop_bit() -> None:
    assert waveform(b"\x01", 4)[1:41:4] == [0, 1, 0, 0, 0, 0, 0, 0, 0, 1]
