"""A CRC is zlib's, however many bits come per cycle, and leaves in parts."""

import zlib
from collections.abc import Awaitable, Callable

import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.crc import CRC_BITS, Crc32

WIDTHS = (1, 8, 16, 32)
PACKETS = (bytes(8), b"1234567890ab", bytes(range(248, 256)), b"\xff" * 20)


async def take(context: SimulatorContext, dut: Crc32, octets: bytes) -> None:
    """Bits of bytes, with a pause behind each part."""
    number, bits = int.from_bytes(octets, "little"), len(dut.data)
    for first in range(0, 8 * len(octets), bits):
        context.set(dut.valid, 1)
        context.set(dut.data, number >> first & (1 << bits) - 1)
        await context.tick()
        context.set(dut.valid, 0)
        await context.tick()


def run(dut: Crc32, bench: Callable[[SimulatorContext], Awaitable[None]]) -> None:
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("bits", WIDTHS)
def test_it_is_that_of_zlib_and_matches_behind_its_bytes(bits: int) -> None:
    dut = Crc32(bits)

    async def bench(context: SimulatorContext) -> None:
        for octets in PACKETS:
            expected = zlib.crc32(octets)
            await take(context, dut, octets)
            assert context.get(dut.crc) == expected
            assert not context.get(dut.matches)
            await take(context, dut, expected.to_bytes(4, "little"))
            assert context.get(dut.matches)
            await take(context, dut, bytes(4))
            assert not context.get(dut.matches)
            context.set(dut.start, 1)
            await context.tick()
            context.set(dut.start, 0)

    run(dut, bench)


@pytest.mark.parametrize("bits", WIDTHS)
def test_it_leaves_in_parts_the_lowest_first(bits: int) -> None:
    dut = Crc32(bits)

    async def bench(context: SimulatorContext) -> None:
        await take(context, dut, PACKETS[1])
        context.set(dut.gives, 1)
        parts = []
        for _ in range(CRC_BITS // bits):
            parts.append(context.get(dut.crc) & (1 << bits) - 1)
            context.set(dut.data, len(parts))  # is not looked at
            await context.tick()
        assert sum(part << bits * place for place, part in enumerate(parts)) == zlib.crc32(PACKETS[1])

    run(dut, bench)
