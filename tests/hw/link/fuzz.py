"""Random traffic of good and damaged packets, and the device's model that says what each brings back."""

import re
import zlib
from collections import Counter
from dataclasses import dataclass
from random import Random

from cobs import cobs

from formats.board_requests import Opcode
from formats.link import Kind
from golden_models.link import LinkModel, framed
from sw_runtime.device.simulator.line import LineSimulation
from tests.hw.link.memory_model import MemoryModel
from tests.hw.link.subject import MEMORY_WORDS, PARAMETERS, QUIET_CYCLES

BRIEF_CYCLES = 500
"""In which nothing comes that was not expected; what comes later is found by the next step."""

KINDS = {"request": 40, "early": 20, "old": 15, "damaged": 25, "odd": 5, "noise": 5, "foreign": 5, "greeting": 0.2}
"""What is drawn, and how often."""


@dataclass(frozen=True)
class Fuzzed:
    """What a run was made of: steps of each kind, requests that were executed, simulated cycles."""

    drawn: Counter[str]
    executed: int
    cycles: int


class Traffic:
    """Draws what a confused host on a bad line sends; ``drawn`` counts the kinds.

    Parameters
    ----------
    seed
        Of what is drawn.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._session, self._sequence = 1, 0
        self._sent = [framed(Kind.GREETING, 0, 1)]
        self.drawn = Counter(greeting=1)

    def packet(self) -> bytes:
        """The bytes of one step: a packet, a damaged one, one that was sent before, or noise."""
        random = self._random
        kind = random.choices(list(KINDS), list(KINDS.values()))[0]
        self.drawn[kind] += 1
        match kind:
            case "request":
                return self._keep(self._request(self._sequence, self._session))
            case "early":
                return self._keep(self._request(self._sequence + random.randrange(-5, 6), self._session))
            case "old":
                return random.choice(self._sent[-12:])
            case "damaged":
                return damaged(random, self._request(self._sequence, self._session))
            case "odd":
                return self._odd()
            case "noise":
                return random.randbytes(random.randrange(1, 40)) + bytes(random.randrange(2))
            case "foreign":
                number, payload = random.choice((*Kind, 0, 255)), self._words()[: random.randrange(3)]
                return framed(number, random.randrange(256), random.randrange(4), payload)
        self._session, self._sequence = random.randrange(1, 4), 0
        return self._keep(framed(Kind.GREETING, 0, self._session))

    def follow(self, sequence: int) -> None:
        """The device's next request, so that most of the traffic is executed."""
        self._sequence = sequence

    def _request(self, sequence: int, session: int) -> bytes:
        return framed(Kind.REQUEST, sequence % 256, session, self._words())

    def _odd(self) -> bytes:
        """A right CRC behind a length that no packet has."""
        random = self._random
        octets = bytes((Kind.REQUEST, self._sequence, self._session, 0)) + random.randbytes(4 * PARAMETERS.words + 8)
        return packed(octets[: random.choice((0, 1, 3, 5, 9, 11, len(octets) - 5, len(octets) - 4, len(octets)))])

    def _keep(self, packet: bytes) -> bytes:
        self._sent.append(packet)
        return packet

    def _words(self) -> list[int]:
        """A request, now and then a wrong one or a long one; zeros are frequent."""
        random = self._random
        if random.random() < 1 / 16:
            return self._long_words()
        address = random.choice((0, 4, 4 * random.randrange(MEMORY_WORDS), random.randrange(8 * MEMORY_WORDS)))
        count = random.randrange(14)
        data = [random.choice((0, random.getrandbits(32), 0x01010101, 0xFF)) for _ in range(count + 1)]
        match random.randrange(8):
            case 0 | 1 | 2:
                return [Opcode.WRITE, address, *data]
            case 3 | 4:
                return [Opcode.READ, address, count]
            case 5:
                return [Opcode.CHECKSUM, address, random.randrange(MEMORY_WORDS)]
            case 6:
                return [random.choice((Opcode.COUNTERS, Opcode.IDENTIFY))]
        return [random.getrandbits(32), *data]

    def _long_words(self) -> list[int]:
        """Runs without a zero byte of about the longest that COBS takes for one block, and responses too long."""
        random = self._random
        if random.random() < 1 / 2:
            return [Opcode.READ, 0, random.randrange(PARAMETERS.words - 8, PARAMETERS.words + 2)]
        octets = bytearray(b"\x10\x11\x12\x13\x00\x00\x00\x00")
        while len(octets) < 4 * PARAMETERS.words:
            octets += bytes(random.choices(range(1, 256), k=random.choice((3, 252, 253, 254, 255)))) + b"\x00"
        words = random.choice((PARAMETERS.words, random.randrange(63, PARAMETERS.words)))
        return [int.from_bytes(octets[at : at + 4], "little") for at in range(0, 4 * words, 4)]


def packed(octets: bytes) -> bytes:
    """Any bytes as a packet with the right CRC."""
    return b"\0" + cobs.encode(octets + zlib.crc32(octets).to_bytes(4, "little")) + b"\0"


def damaged(random: Random, packet: bytes) -> bytes:
    """A packet with bits flipped, bytes lost or inserted, its end cut off, or a second one in it."""
    octets, place = bytearray(packet), random.randrange(len(packet))
    match random.randrange(6):
        case 0:
            octets[place] ^= 1 << random.randrange(8)
        case 1:
            del octets[place : place + random.randrange(1, 5)]
        case 2:
            octets[place:place] = random.randbytes(random.randrange(1, 5))
        case 3:
            del octets[place:]
        case 4:
            octets[place:place] = packet
        case 5:
            for _ in range(8):
                octets[random.randrange(len(octets))] ^= 1 << random.randrange(8)
    return bytes(octets)


def fuzz(line: LineSimulation, packets: int, seed: int) -> Fuzzed:
    """Hold the link to its model for so many steps.

    Raises
    ------
    AssertionError
        At the first step that brings other bytes.
    """
    traffic, core, random = Traffic(seed), MemoryModel(MEMORY_WORDS, PARAMETERS.build), Random(seed)
    model = LinkModel(core, PARAMETERS.window, PARAMETERS.words, PARAMETERS.build)
    for step in range(packets):
        octets = traffic.packet() if step else framed(Kind.GREETING, 0, 1)
        # one end of a packet a time: of notices that wait together the device sends the weightier first
        for part in re.findall(rb"[^\0]*\0|[^\0]+", octets):
            begun, expected = model.begun, b"".join(model.receive(part))
            quiet, share = BRIEF_CYCLES if begun or part != b"\0" else 0, random.choice((1, 1, 1, 0.3))
            received = b""
            if expected:
                received = line.exchange(part, QUIET_CYCLES, room=len(expected), receive_share=share)
            received += line.exchange(b"" if expected else part, quiet, room=1 << 13, receive_share=share)
            assert received == expected, f"step {step}, {part.hex()}: {received.hex()}, not {expected.hex()}"
        if model.begun and random.random() < 1 / 4:
            expected = b"".join(model.pause())
            assert line.exchange(b"", PARAMETERS.pause_cycles + QUIET_CYCLES, room=1 << 13) == expected
        traffic.follow(model.next)
    assert not line.broken_offers
    return Fuzzed(traffic.drawn, len(core.executed), line.cycles)
