"""Cards, good and bad, and what a loader must make of each."""

import zlib
from random import Random

from formats.card_image import BLOCK_BYTES, CardError, card_octets, header_octets
from tests.hw.storage.simulation import MEMORY_WORDS, CardSimulation

FAULTS: dict[str, tuple[dict[str, int], CardError]] = {
    "no card": ({"absent": 1}, CardError.NO_CARD),
    "a card that is deaf at first": ({"deaf_resets": 3}, CardError.NONE),
    "a card that takes long": ({"busy_starts": 40}, CardError.NONE),
    "a card that never becomes ready": ({"busy_starts": 1 << 40}, CardError.TIMEOUT),
    "an old card": ({"wrong_command": 8}, CardError.REFUSED),
    "another voltage": ({"wrong_echo": 1}, CardError.REFUSED),
    "a supply that is not steady": ({"no_supply": 1}, CardError.REFUSED),
    "no application commands": ({"wrong_command": 55}, CardError.REFUSED),
    "no reading": ({"wrong_command": 18}, CardError.REFUSED),
    "a bit of the data": ({"wrong_block": 2, "fault": 1}, CardError.BAD_BLOCK),
    "a bit of the CRC": ({"wrong_block": 1, "fault": 2}, CardError.BAD_BLOCK),
    "a block that the card cannot read": ({"wrong_block": 1, "fault": 3}, CardError.BAD_BLOCK),
    "a block that never comes": ({"wrong_block": 2, "fault": 4}, CardError.TIMEOUT),
    "a stop that never ends": ({"endless_end": 1}, CardError.TIMEOUT),
}
"""What is wrong with a card, and the error."""


def memory_octets(words: int, seed: int) -> bytes:
    """Random words."""
    return Random(seed).randbytes(4 * words)


def wrong_cards() -> dict[str, tuple[bytes, CardError]]:
    """Cards that hold something else."""
    memory = memory_octets(130, 9)
    good = card_octets(memory)

    def patched(place: int, octets: bytes) -> bytes:
        return good[:place] + octets + good[place + len(octets) :]

    def headed(words: int) -> bytes:
        return header_octets(words, 0) + good[BLOCK_BYTES:]

    version = bytearray(header_octets(130, int.from_bytes(good[12:16], "little"))[:16])
    version[4] ^= 3
    return {
        "empty": (bytes(len(good)), CardError.BAD_HEADER),
        "another magic": (_with_header_crc(b"sead" + good[4:16]) + good[20:], CardError.BAD_HEADER),
        "another version": (_with_header_crc(bytes(version)) + good[20:], CardError.BAD_HEADER),
        "a damaged header": (patched(16, b"\1\2\3\4"), CardError.BAD_HEADER),
        "no words": (headed(0), CardError.BAD_HEADER),
        "a word too many": (headed(MEMORY_WORDS + 1), CardError.BAD_HEADER),
        "words beyond 16 bits": (headed(1 << 20), CardError.BAD_HEADER),
        "a changed word": (patched(BLOCK_BYTES + 516, b"\0\1\2\3"), CardError.BAD_DATA),
        "another checksum": (_with_header_crc(good[:12] + b"\1\2\3\4") + good[20:], CardError.BAD_DATA),
    }


def _with_header_crc(fields: bytes) -> bytes:
    return fields + zlib.crc32(fields).to_bytes(4, "little")


def check_good(simulation: CardSimulation, words: int, seed: int, taken_share: float = 1) -> None:
    """A good card is loaded, every word.

    Raises
    ------
    AssertionError
        If not.
    """
    memory = memory_octets(words, seed)
    loaded = simulation.load(card_octets(memory), seed, taken_share)
    assert (loaded.error, loaded.memory, loaded.left) == (CardError.NONE, memory, 0)


def check_fault(simulation: CardSimulation, name: str) -> None:
    """A card with a fault of ``FAULTS`` is told apart.

    Raises
    ------
    AssertionError
        If not.
    """
    faults, error = FAULTS[name]
    memory = memory_octets(300, 5)
    loaded = simulation.load(card_octets(memory), 5, **faults)
    assert loaded.error == error
    if error == CardError.NONE:
        assert loaded.memory == memory
    elif loaded.memory:
        assert len(loaded.memory) + 4 * loaded.left == len(memory)
        assert memory.startswith(loaded.memory) or faults.get("fault") == 1
    else:
        assert loaded.left in (0, len(memory) // 4)


def check_wrong(simulation: CardSimulation, name: str) -> None:
    """A card of ``wrong_cards`` is told apart; what is no image writes nothing.

    Raises
    ------
    AssertionError
        If not.
    """
    card, error = wrong_cards()[name]
    loaded = simulation.load(card)
    assert loaded.error == error
    assert bool(loaded.memory) == (error == CardError.BAD_DATA)
