"""Packets as bytes on a line."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cobs import cobs

from formats.board_requests import MAXIMUM_WORDS
from formats.link import HEADER, Kind, values_of, word_of


@dataclass(frozen=True)
class LinkPacket:
    """One packet.

    Parameters
    ----------
    kind
        What it is.
    sequence, session
        Of its header.
    words
        Its payload.
    """

    kind: Kind
    sequence: int
    session: int
    words: tuple[int, ...] = ()


def octets_of(kind: Kind, sequence: int, session: int, words: Sequence[int] = ()) -> bytes:
    """A packet as it stands on the line, between its zeros.

    Raises
    ------
    InputError
        If a field does not fit.
    """
    header = word_of(HEADER, {"kind": kind, "sequence": sequence, "session": session})
    octets = struct.pack(f"<{1 + len(words)}I", header, *words)
    return b"\0%s\0" % cobs.encode(octets + struct.pack("<I", zlib.crc32(octets)))


class PacketReader:
    """Finds packets in the bytes of a line."""

    def __init__(self) -> None:
        self._begun = b""

    def read(self, octets: bytes) -> Iterator[LinkPacket | None]:
        """Packets that these bytes end; None for one that is damaged or of an unknown kind."""
        *packets, self._begun = (self._begun + octets).split(b"\0")
        # what is longer than a packet never becomes one
        self._begun = self._begun[: 5 * (MAXIMUM_WORDS + 2)]
        yield from (_packet(octets) for octets in packets if octets)


def _packet(octets: bytes) -> LinkPacket | None:
    try:
        decoded = cobs.decode(octets)
    except cobs.DecodeError:
        return None
    if len(decoded) % 4 or len(decoded) < 8 or zlib.crc32(decoded[:-4]).to_bytes(4, "little") != decoded[-4:]:
        return None
    header, *words = struct.unpack(f"<{len(decoded) // 4 - 1}I", decoded[:-4])
    fields = values_of(HEADER, header)
    known = [kind for kind in Kind if kind == fields["kind"]]
    return LinkPacket(known[0], fields["sequence"], fields["session"], tuple(words)) if known else None
