"""Words of every width out of beats of every width, with and without pauses, and no cycle lost."""

from random import Random

import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.memory.unpacker import Unpacker
from tests.hw.streams import PATTERNS

SHAPES = [*((port, bits) for port in (2, 4, 8) for bits in (16, 24, 32, 48, 64)), (8, 36)]


def unpack(port_bytes: int, word_bits: int, beats: list[int], offers: str, takes: str) -> tuple[list[int], int]:
    """Words that come of the beats, and cycles from the first beat to the last word."""
    dut, random, words = Unpacker(port_bytes, word_bits), Random(9), []
    count = len(beats) * 8 * port_bytes // word_bits
    waiting, cycles = list(reversed(beats)), 0

    async def bench(context: SimulatorContext) -> None:
        nonlocal cycles
        offered = False
        while len(words) < count:
            offered = bool(waiting) and (offered or PATTERNS[offers](random))
            context.set(dut.i.valid, offered)
            context.set(dut.i.payload, waiting[-1] if offered else random.getrandbits(8 * port_bytes))
            context.set(dut.o.ready, PATTERNS[takes](random))
            if context.get(dut.o.valid) and context.get(dut.o.ready):
                words.append(context.get(dut.o.payload))
            if offered and context.get(dut.i.ready):
                waiting.pop()
                offered = False
            cycles += 1
            assert cycles < 40 * (len(beats) + count) + 40
            await context.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return words, cycles


def random_beats(port_bytes: int, count: int) -> list[int]:
    random = Random(port_bytes)
    return [random.getrandbits(8 * port_bytes) for _ in range(count)]


def expected_words(beats: list[int], port_bytes: int, word_bits: int) -> list[int]:
    text = sum(beat << 8 * port_bytes * place for place, beat in enumerate(beats))
    return [text >> word_bits * n & ((1 << word_bits) - 1) for n in range(len(beats) * 8 * port_bytes // word_bits)]


@pytest.mark.parametrize(("port_bytes", "word_bits"), SHAPES)
@pytest.mark.parametrize(("offers", "takes"), [("half", "always"), ("always", "half"), ("half", "half")])
def test_words_are_the_bits_in_their_order_whatever_stalls(
    port_bytes: int, word_bits: int, offers: str, takes: str
) -> None:
    beats = random_beats(port_bytes, 60)
    words, _ = unpack(port_bytes, word_bits, beats, offers, takes)
    assert words == expected_words(beats, port_bytes, word_bits)


@pytest.mark.parametrize(("port_bytes", "word_bits"), SHAPES)
def test_the_busier_side_never_waits(port_bytes: int, word_bits: int) -> None:
    beats = random_beats(port_bytes, 144)  # a whole number of words of every width
    words, cycles = unpack(port_bytes, word_bits, beats, "always", "always")
    assert len(words) * word_bits == len(beats) * 8 * port_bytes
    # a word narrower than a beat follows the first beat, a wider one all its beats: one cycle after the last
    narrow = len(words) + 1
    assert cycles == max(narrow, len(beats) + 1)
