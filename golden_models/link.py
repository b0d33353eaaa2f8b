"""The device's side of the serial link, packet by packet, with a core that answers at once."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cobs import cobs

from formats.link import HEADER, VERSION, WELCOME, Kind, values_of, word_of

Core = Callable[[list[int]], list[int]]
"""What executes a request, words to words."""


@dataclass
class LinkModel:
    """A device on a line.

    Parameters
    ----------
    core
        Executes requests.
    window, words, build
        As of ``hw.link.link.LinkParameters``.
    next
        Number of the request to be executed next.
    begun
        Bytes of a packet that has not ended.
    """

    core: Core
    window: int = 4
    words: int = 1024
    build: int = 0
    next: int = 0
    begun: bytes = b""
    _session: int | None = None
    _requests: dict[int, list[int]] = field(default_factory=dict)
    _responses: dict[int, list[int]] = field(default_factory=dict)

    def receive(self, octets: bytes) -> list[bytes]:
        """Bytes of a line in, packets with their zeros out, in the order in which they are sent."""
        *packets, self.begun = (self.begun + octets).split(b"\0")
        return [answer for packet in packets if packet for answer in self._take(packet)]

    def pause(self) -> list[bytes]:
        """A pause that ends a packet."""
        begun, self.begun = self.begun, b""
        return self._damaged() if begun else []

    def _take(self, packet: bytes) -> list[bytes]:
        try:
            octets = cobs.decode(packet)
        except cobs.DecodeError:
            return self._damaged()
        words = [int.from_bytes(octets[at : at + 4], "little") for at in range(0, len(octets), 4)]
        if len(octets) % 4 or not 2 <= len(words) <= self.words + 2 or zlib.crc32(octets[:-4]) != words[-1]:
            return self._damaged()
        header, payload = values_of(HEADER, words[0]), words[1:-1]
        if header["kind"] == Kind.GREETING:
            return self._greet(header["session"])
        if header["kind"] == Kind.REQUEST and payload:
            return self._request(header["session"], header["sequence"], payload)
        return []

    def _greet(self, session: int) -> list[bytes]:
        if session != self._session:
            self._session, self.next = session, 0
            self._requests, self._responses = {}, {}
        fields = {"version": VERSION, "window": self.window, "words": self.words, "build": self.build}
        packed = word_of(WELCOME, fields)
        return [self._packet(Kind.WELCOME, self.next, [packed & 0xFFFF_FFFF, packed >> 32])]

    def _request(self, session: int, sequence: int, payload: list[int]) -> list[bytes]:
        ahead, behind = (sequence - self.next) % 256, (self.next - sequence) % 256
        if session != self._session:
            return [framed(Kind.REFUSED, sequence, session)]
        if ahead < self.window:
            if sequence in self._requests:
                return self._damaged()
            self._requests[sequence] = payload
            return self._damaged() if self._missing() == self.next else self._execute()
        if behind <= self.window and sequence in self._responses:
            return [self._packet(Kind.RESPONSE, sequence, self._responses[sequence])]
        return [framed(Kind.REFUSED, sequence, session)]

    def _execute(self) -> list[bytes]:
        """All requests that are there in order."""
        sent = []
        while self.next in self._requests:
            response = self.core(self._requests.pop(self.next))
            response = response if len(response) <= self.words else []
            self._responses.pop((self.next - self.window) % 256, None)
            self._responses[self.next] = response
            sent.append(self._packet(Kind.RESPONSE, self.next, response))
            self.next = (self.next + 1) % 256
        return sent

    def _missing(self) -> int:
        sequence = self.next
        while sequence in self._requests:
            sequence = (sequence + 1) % 256
        return sequence

    def _damaged(self) -> list[bytes]:
        return [] if self._session is None else [self._packet(Kind.ACKNOWLEDGE, self._missing())]

    def _packet(self, kind: Kind, sequence: int, payload: Sequence[int] = ()) -> bytes:
        assert self._session is not None  # nothing is sent before a greeting but refusals
        return framed(kind, sequence, self._session, payload)


def framed(kind: int, sequence: int, session: int, payload: Sequence[int] = ()) -> bytes:
    """A packet as it stands on the line, between its zeros."""
    header = word_of(HEADER, {"kind": kind, "sequence": sequence, "session": session})
    octets = b"".join(word.to_bytes(4, "little") for word in (header, *payload))
    return b"\0%s\0" % cobs.encode(octets + zlib.crc32(octets).to_bytes(4, "little"))
