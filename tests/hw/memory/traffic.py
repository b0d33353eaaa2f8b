"""Reads and writes that meet every rule, and a dictionary that says what must be read."""

from dataclasses import dataclass
from random import Random

import numpy as np

from hw.memory.chips import SdramChip
from tests.hw.memory.simulation import MemorySimulation, at_power_up
from tests.hw.memory.subject import PORT_BYTES, WORD_BITS


@dataclass(frozen=True)
class Batch:
    """Runs, (address, beats, write), the beats to write, and those that must be read."""

    runs: list[tuple[int, int, bool]]
    data: list[int]
    expected: list[int]


def batches(chip: SdramChip, count: int, runs: int, seed: int) -> list[Batch]:
    """Random runs, most of them near a few places, so that they meet each other and cross pages."""
    random = Random(seed)
    size = chip.size_bytes // PORT_BYTES
    places = [random.randrange(size) for _ in range(4)] + [size - 8, (1 << chip.column_bits - 1) - 8]
    held: dict[int, int] = {}
    made = []
    for _ in range(count):
        batch = Batch([], [], [])
        for _ in range(runs):
            first = (random.choice(places) + random.randrange(16)) % size
            if batch.runs and random.random() < 1 / 4:
                first = sum(batch.runs[-1][:2]) % size
            beats, write = random.choice((1, 2, 3, random.randrange(4, 40))), random.random() < 1 / 2
            batch.runs.append((first, beats, write))
            addresses = [(first + place) % size for place in range(beats)]
            if write:
                written = [random.getrandbits(8 * PORT_BYTES) for _ in addresses]
                batch.data.extend(written)
                held |= dict(zip(addresses, written, strict=True))
            else:
                batch.expected.extend(held[a] if a in held else _at_power_up(a) for a in addresses)
        made.append(batch)
    return made


def check(simulation: MemorySimulation, made: list[Batch]) -> None:
    """Run batches, the consumer ready always and in 70 % of the cycles by turns.

    Raises
    ------
    AssertionError
        If a beat is wrong or does not come, or the chip was asked for what it does not allow.
    """
    for number, batch in enumerate(made):
        share = 0.7 if number % 2 else 1
        answer = simulation.runs(batch.runs, np.array(batch.data, dtype=np.uint32), share)
        assert answer.payloads.tolist() == batch.expected
    assert simulation.broken() == {}


def _at_power_up(address: int) -> int:
    return int(at_power_up(np.array([address]))[0])


def check_words(simulation: MemorySimulation) -> None:
    """Read words of every width, some of which leave a part of a beat behind.

    Raises
    ------
    AssertionError
        If a word is wrong or does not come, or the chip was asked for what it does not allow.
    """
    for share in (1, 0.7, 0.3):
        for width in WORD_BITS:
            for address, words in ((1_000, 1), (77, 3), (200, 997), (3, 400)):
                expected = words_at(address, width, words)
                assert simulation.words(address, width, words, share).payloads.tolist() == expected
    assert simulation.broken() == {}


def words_at(address: int, width: int, words: int) -> list[int]:
    """Words that lie without gaps in a memory that nobody has written to."""
    beats = at_power_up(np.arange(address, address + -(-words * width // (8 * PORT_BYTES))))
    bits = np.unpackbits(beats.view(np.uint8), bitorder="little")[: words * width].reshape(words, width)
    return [int(word) for word in bits @ (1 << np.arange(width, dtype=np.int64))]
