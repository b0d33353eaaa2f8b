"""A packet's bytes, out of a memory that may wait for long."""

import zlib
from random import Random

import pytest
from amaranth.sim import Simulator, SimulatorContext

from formats.link import HEADER, Kind, word_of
from hw.link.packet_sender import PacketSender

WINDOW, WORDS, SLOT = 2, 8, 1
FIELDS = {"kind": int(Kind.RESPONSE), "sequence": 7, "session": 0x1234}


@pytest.mark.parametrize("waits", [0, 0.5, 0.99])
def test_words_are_those_of_the_slot_however_long_the_memory_waits(waits: float) -> None:
    sender, random = PacketSender(WINDOW, WORDS, [1, 2]), Random(9)
    words = [random.getrandbits(32) for _ in range(WINDOW * WORDS)]
    sent = bytearray()

    async def bench(context: SimulatorContext) -> None:
        order = {"header": FIELDS, "words": WORDS, "slot": SLOT, "welcome": 0}
        context.set(sender.i.payload, order)
        context.set(sender.i.valid, 1)
        context.set(sender.o.ready, 1)
        last = False
        while not last:
            waiting = random.random() < waits
            context.set(sender.data_waits, waiting)
            if context.get(sender.o.valid):
                sent.append(context.get(sender.o.payload.data))
                last = bool(context.get(sender.o.payload.last))
            address = context.get(sender.address)
            await context.tick()
            if not waiting:
                context.set(sender.data, words[address])

    simulator = Simulator(sender)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    payload = [word_of(HEADER, FIELDS), *words[SLOT * WORDS :]]
    expected = b"".join(word.to_bytes(4, "little") for word in payload)
    assert bytes(sent) == expected + zlib.crc32(expected).to_bytes(4, "little")
