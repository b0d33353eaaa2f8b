"""The serial link's packets: hardware, host and ``docs/protocol.md`` are made from these records.

``python -m formats.link docs/protocol.md`` writes the tables of that page.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from formats.board_requests import MAXIMUM_WORDS
from formats.errors import InputError

VERSION = 1
"""Version of the protocol; a host refuses another."""


class Kind(IntEnum):
    """What a packet is."""

    GREETING = 0x11
    REQUEST = 0x12
    WELCOME = 0x21
    RESPONSE = 0x22
    ACKNOWLEDGE = 0x23
    REFUSED = 0x24


@dataclass(frozen=True)
class Field:
    """A field of bits.

    Parameters
    ----------
    name
        What hardware and host call it.
    bits
        Its width.
    meaning
        A sentence for the documentation.
    """

    name: str
    bits: int
    meaning: str


@dataclass(frozen=True)
class Packet:
    """What one kind of packet carries.

    Parameters
    ----------
    kind
        Its number in the header.
    sender
        ``"host"`` or ``"device"``.
    sequence
        What the header's sequence number says here.
    meaning
        When it is sent, and what the other side does.
    payload
        Words behind the header, the first field first, each filled up from its lowest bit.
    free_words
        The payload is 1 to ``MAXIMUM_WORDS`` words of the core's own instead.
    """

    kind: Kind
    sender: str
    sequence: str
    meaning: str
    payload: tuple[Field, ...] = ()
    free_words: bool = False


HEADER = (
    Field("kind", 8, "What the packet is."),
    Field("sequence", 8, "A request's number; the numbers follow each other and wrap."),
    Field("session", 16, "Chosen by the host at random for each greeting. A device that was reset has none."),
)
"""First word of every packet."""

WELCOME = (
    Field("version", 8, "Of this protocol."),
    Field("window", 8, "Requests that may wait for their responses at once: a power of two."),
    Field("words", 16, "Most payload words of a request and of a response."),
    Field("build", 32, "Names the hardware's sources."),
)
"""Payload of a welcome."""

PACKETS = (
    Packet(
        Kind.GREETING,
        "host",
        "0",
        "Begins a session: the device forgets the requests and responses of any other. A greeting of the open session "
        "changes nothing. It is answered as soon as no request is being executed.",
    ),
    Packet(
        Kind.REQUEST,
        "host",
        "its own",
        "Is executed once, in the order of the numbers, however often it comes. If its response is kept it is answered "
        "by that. A host sends request n only after it has response n - window.",
        free_words=True,
    ),
    Packet(Kind.WELCOME, "device", "of the next request to be executed", "Answers a greeting.", WELCOME),
    Packet(
        Kind.RESPONSE,
        "device",
        "of the request that it answers",
        "The core's answer. It is kept until request n + window is executed, and sent again if request n comes again.",
        free_words=True,
    ),
    Packet(
        Kind.ACKNOWLEDGE,
        "device",
        "of the first request that the device lacks",
        "Sent on a damaged packet, on a request that comes before an earlier one, and on one that comes again before "
        "its response is there. A host that has sent the named request sends it again.",
    ),
    Packet(
        Kind.REFUSED,
        "device",
        "of the refused request",
        "The request is not of the open session, or outside of the window: the device was reset, or another host "
        "greeted it. The header is the request's but for the kind.",
    ),
)
"""Every packet."""


def word_of(fields: tuple[Field, ...], values: dict[str, int]) -> int:
    """Fields as one integer, the first lowest.

    Raises
    ------
    InputError
        If a field's value is missing or does not fit it.
    """
    word = place = 0
    for field in fields:
        value = values.get(field.name, -1)
        if not 0 <= value < 1 << field.bits:
            raise InputError(f"the field {field.name} takes 0 to {(1 << field.bits) - 1}, not {values.get(field.name)}")
        word |= value << place
        place += field.bits
    return word


def values_of(fields: tuple[Field, ...], word: int) -> dict[str, int]:
    """The fields of an integer, by name."""
    values, place = {}, 0
    for field in fields:
        values[field.name] = word >> place & ((1 << field.bits) - 1)
        place += field.bits
    return values


BEGIN, END = "<!-- tables -->", "<!-- end of tables -->"


def tables() -> str:
    """A table for the header, one of all packets, and one for each payload of fixed fields."""
    lines = ["### Header, one word", "", *_field_table(HEADER), "", "### Packets", ""]
    lines += ["| kind | number | from | sequence | payload words | |", "|---|---:|---|---|---|---|"]
    for packet in PACKETS:
        words = f"1…{MAXIMUM_WORDS:,}" if packet.free_words else sum(field.bits for field in packet.payload) // 32
        name = packet.kind.name.lower()
        lines.append(
            f"| {name} | {packet.kind:#04x} | {packet.sender} | {packet.sequence} | {words} | {packet.meaning} |"
        )
    for packet in PACKETS:
        if packet.payload:
            lines += ["", f"### Payload of {packet.kind.name.lower()}", "", *_field_table(packet.payload)]
    return "\n".join(lines)


def _field_table(fields: tuple[Field, ...]) -> Iterator[str]:
    yield from ("| field | bits | |", "|---|---|---|")
    place = 0
    for field in fields:
        yield f"| {field.name} | {place + field.bits - 1}:{place} | {field.meaning} |"
        place += field.bits


def written(document: str) -> str:
    """The document with the tables of these records.

    Raises
    ------
    InputError
        If it lacks the markers between which they stand.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"the document lacks the lines {BEGIN!r} and {END!r}: put them where the tables belong")
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
