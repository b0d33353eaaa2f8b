"""The CRC of packets is zlib's, and leaves bit by bit."""

import zlib
from collections.abc import Awaitable, Callable

from amaranth.sim import Simulator, SimulatorContext

from hw.link.crc import CRC_BITS, PacketCrc

PACKETS = (b"\0", b"123456789", bytes(range(250, 256)), b"\xff" * 5)


async def take(context: SimulatorContext, dut: PacketCrc, octets: bytes) -> None:
    for octet in octets:
        for place in range(8):
            context.set(dut.valid, 1)
            context.set(dut.bit, octet >> place & 1)
            await context.tick()
            context.set(dut.valid, 0)
            await context.tick()


def test_it_is_that_of_zlib_and_matches_behind_its_bytes() -> None:
    dut = PacketCrc()

    async def bench(context: SimulatorContext) -> None:
        for octets in PACKETS:
            expected = zlib.crc32(octets)
            await take(context, dut, octets)
            assert context.get(dut.crc) == expected
            assert not context.get(dut.matches)
            await take(context, dut, expected.to_bytes(4, "little"))
            assert context.get(dut.matches)
            await take(context, dut, b"\0")
            assert not context.get(dut.matches)
            context.set(dut.start, 1)
            await context.tick()
            context.set(dut.start, 0)

    run(dut, bench)


def test_it_leaves_bit_by_bit_the_lowest_first() -> None:
    dut = PacketCrc()

    async def bench(context: SimulatorContext) -> None:
        await take(context, dut, PACKETS[1])
        context.set(dut.gives, 1)
        bits = []
        for _ in range(CRC_BITS):
            bits.append(context.get(dut.crc) & 1)
            context.set(dut.bit, len(bits) % 3 == 0)
            await context.tick()
        assert sum(bit << place for place, bit in enumerate(bits)) == zlib.crc32(PACKETS[1])

    run(dut, bench)


def run(dut: PacketCrc, bench: Callable[[SimulatorContext], Awaitable[None]]) -> None:
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
