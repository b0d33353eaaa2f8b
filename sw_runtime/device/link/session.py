"""The host's end of the link as a state machine: packets and times in, packets out. It knows no ports and no clocks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from formats.errors import DeviceError, InputError
from formats.link import PACKETS, VERSION, WELCOME, Kind, values_of
from sw_runtime.device.link.packets import LinkPacket, PacketReader, octets_of

SILENCE_SECONDS = 1.5
"""A device that lives answers within it, if only that it is still at work."""

FIRST_PATIENCE, LEAST_SLACK = 0.1, 0.002
"""Seconds before the oldest request without an answer is sent again at first; later, the least beyond a mean trip."""

IDLE_PACKETS = 4
"""A packet is sent again twice where so many fit into a mean trip: the line would stand idle meanwhile."""

HOST_KINDS = frozenset(packet.kind for packet in PACKETS if packet.sender == "host")
"""Of the packets that no device sends."""

MOST_DOUBLINGS = 16
"""Of the patience: from a tenth of a millisecond to seconds."""

LEAST_ATTEMPTS = 8
"""Times that it is sent before a silent device is given up."""

MOST_ATTEMPTS = 1000
"""Times that one packet is sent to a device that does speak: three minutes of a core that hangs."""


@dataclass
class _Waiting:
    """A packet whose answer has not come: when it left the host first and last, how often, whether one of these times
    because nothing came in time, and how many packets had been sent again before it.
    """

    octets: bytes
    first_left_at: float = 0.0
    left_at: float = 0.0
    times: int = 0
    expired: bool = False
    repeats_before: int = 0
    due: bool = True
    answer: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Welcome:
    """What a device says of its end of the link.

    Parameters
    ----------
    window
        Requests that may wait for their responses.
    words
        Most words of a request and of a response.
    build
        Names the hardware's sources.
    """

    window: int
    words: int
    build: int


@dataclass
class Session:
    """One session with a device, from its greeting on.

    Parameters
    ----------
    number
        16 bits that no other session of late had.
    seconds_an_octet
        The line's; what a device cannot have heard yet it need not have answered.
    silence_seconds
        Without a packet, after which a device is given up.
    repeats
        Packets that were sent again.
    welcome
        What the device said; None before.
    """

    number: int
    seconds_an_octet: float
    silence_seconds: float = SILENCE_SECONDS
    repeats: int = 0
    welcome: Welcome | None = None
    _base: int = 0
    _first: int = 0
    _waiting: dict[int, _Waiting] = field(default_factory=dict)
    _reader: PacketReader = field(default_factory=PacketReader)
    _free_at: float = 0.0
    _heard_at: float | None = None
    _answered_at: float = -inf
    _trip: float | None = None  # from when a packet has left the host to its answer, the mean
    _spread: float = 0.0  # how far trips are from the mean, the mean
    _shortest_trip: float = inf
    _expiries: int = 0  # answers that did not come in time since the last that is known to have come undisturbed

    def __post_init__(self) -> None:
        self._greeting: _Waiting | None = _Waiting(octets_of(Kind.GREETING, 0, self.number))

    @property
    def room(self) -> int:
        """Requests that may be submitted now."""
        return self.welcome.window - len(self._waiting) if self.welcome else 0

    @property
    def waits(self) -> bool:
        """A response has not been taken."""
        return bool(self._waiting)

    @property
    def busy(self) -> bool:
        """An answer is yet to come."""
        return self._greeting is not None or any(waiting.answer is None for waiting in self._waiting.values())

    def submit(self, words: Sequence[int]) -> None:
        """Give a request, for which there must be room; it is sent by the next ``to_send``.

        Raises
        ------
        InputError
            If it has no word, or more than the device takes.
        """
        assert self.welcome  # before it there is no room
        if not 0 < len(words) <= self.welcome.words:
            raise InputError(f"a request has 1 to {self.welcome.words} words, not {len(words)}: cut it into parts")
        index = self._first + len(self._waiting)
        sequence = (self._base + index) % 256
        self._waiting[index] = _Waiting(octets_of(Kind.REQUEST, sequence, self.number, words))

    def take(self) -> list[tuple[int, ...]]:
        """Responses that are next in order; each is given once."""
        taken = []
        while (waiting := self._waiting.get(self._first)) and waiting.answer is not None:
            taken.append(waiting.answer)
            del self._waiting[self._first]
            self._first += 1
        return taken

    def receive(self, octets: bytes, now: float) -> None:
        """Bytes that came.

        Raises
        ------
        DeviceError
            If the device refuses this session, speaks another version, or its core gave no whole response; if the line
            returns what is sent.
        """
        for packet in self._reader.read(octets):
            if packet is None:
                self._ask_again(next((w for w in self._waiting.values() if w.answer is None), None), now)
            elif packet.session == self.number:
                if packet.kind in HOST_KINDS:
                    raise DeviceError(
                        "the line returns what is sent to it: its two wires are joined or crossed; check the cable"
                    )
                self._heard_at = now
                self._understand(packet, now)

    def to_send(self, now: float) -> bytes:
        """Bytes to send: what is new, and what is sent again because its answer is late.

        Raises
        ------
        DeviceError
            If the device has been silent for too long, or a packet has no answer after very many attempts.
        """
        waiting = [self._greeting] if self._greeting else [w for w in self._waiting.values() if w.answer is None]
        if not waiting:
            self._heard_at = None
            return b""
        self._heard_at = now if self._heard_at is None else self._heard_at
        on_the_way = sum(len(each.octets) for each in waiting) * self.seconds_an_octet
        if now - self._heard_at > self.silence_seconds + on_the_way:
            silent = f"the device has not answered for {now - self._heard_at:.1f} s"
            raise DeviceError(f"{silent}: look at its power, its cable and the baud rate")
        # the device names what else it lacks
        if not waiting[0].due and now >= self._late_at(waiting[0]):
            waiting[0].due = waiting[0].expired = True
            self._expiries += 1
        return b"".join(self._send(each, now, now + on_the_way) for each in waiting if each.due)

    def patience_left(self, now: float) -> float:
        """Seconds until the oldest request without an answer is late; endless if there is none."""
        oldest = self._greeting or next((w for w in self._waiting.values() if w.answer is None), None)
        return self._late_at(oldest) - now if oldest else inf

    def resume(self) -> None:
        """The line is there again after it was gone: everything without an answer is sent again."""
        self._reader, self._heard_at = PacketReader(), None
        for waiting in (self._greeting, *self._waiting.values()):
            if waiting:
                waiting.due = True

    def _send(self, waiting: _Waiting, now: float, latest: float) -> bytes:
        """A packet's bytes; it leaves behind those before it, and at the latest when all without an answer have."""
        if waiting.times == MOST_ATTEMPTS:
            raise DeviceError(
                f"{MOST_ATTEMPTS} attempts brought no response: the line damages every packet, or the device's core "
                "hangs; lower the baud rate or reset the device"
            )
        octets, seconds = waiting.octets, len(waiting.octets) * self.seconds_an_octet
        if waiting.times:
            if self._trip is not None and seconds < self._trip / IDLE_PACKETS:
                octets, seconds = 2 * octets, 2 * seconds
            self.repeats += 1
        self._free_at = min(max(self._free_at, now) + seconds, latest)
        if not waiting.times:
            waiting.first_left_at, waiting.repeats_before = self._free_at, self.repeats
        waiting.due, waiting.left_at, waiting.times = False, self._free_at, waiting.times + 1
        return octets

    def _late_at(self, waiting: _Waiting) -> float:
        """When the answer to the oldest request is late: the patience doubles each time that none came.

        It stays so until an answer comes undisturbed: what is sent to a slow device again and again makes it slower.
        It begins anew with every answer, since requests are executed in order: those behind a lost one waited.
        """
        if self._trip is None:
            known = behind = FIRST_PATIENCE
        else:
            known = self._trip + max(LEAST_SLACK, 4 * self._spread)
            behind = known - self._shortest_trip
        longer, most = 1 << min(self._expiries, MOST_DOUBLINGS), self.silence_seconds / LEAST_ATTEMPTS
        return max(waiting.left_at + min(known * longer, most), self._answered_at + behind)

    def _understand(self, packet: LinkPacket, now: float) -> None:
        if packet.kind == Kind.WELCOME:
            self._begin(packet, now)
            return
        index = self._first + (packet.sequence - self._base - self._first) % 256
        waiting = self._waiting.get(index)
        if waiting is None or waiting.answer is not None or not waiting.times:
            return
        if packet.kind == Kind.REFUSED:
            raise DeviceError(
                "the device has lost this session: it was reset, or another program greeted it; open it again"
            )
        if packet.kind == Kind.ACKNOWLEDGE:
            self._ask_again(waiting, now)
        elif packet.kind == Kind.RESPONSE:
            self._answer(waiting, packet.words, now)

    def _ask_again(self, waiting: _Waiting | None, now: float) -> None:
        """Send a packet again, unless what came was sent before its last repeat can have arrived."""
        if waiting and waiting.times and waiting.answer is None:
            waiting.due |= now - waiting.left_at > 0.9 * self._shortest_trip

    def _answer(self, waiting: _Waiting, words: tuple[int, ...], now: float) -> None:
        if not words:
            raise DeviceError("the device gave a response that is longer than its link carries; its core is at fault")
        waiting.answer, self._answered_at = words, now
        self._learn(waiting, now)
        # requests are executed in order: the response to an earlier one was sent, and is lost or sent again
        for earlier in self._waiting.values():
            if earlier is waiting:
                return
            self._ask_again(earlier, now)

    def _learn(self, answered: _Waiting, now: float) -> None:
        """Keep the mean of trips. One that held a loss raises it a little only, and so does a core that became slow."""
        trip, repeated = max(0.0, now - answered.first_left_at), answered.times > 1
        self._shortest_trip = min(self._shortest_trip, trip)
        if repeated and not answered.expired:
            return  # it was lost for certain, and says nothing of the device
        if not repeated and answered.repeats_before != self.repeats:
            return  # it may have waited for one that was lost
        if not repeated:
            self._expiries = 0
        if self._trip is None:
            self._trip, self._spread = (None, 0.0) if repeated else (trip, trip / 4)
            return
        beyond = (min(trip, 2 * self._trip) if repeated else trip) - self._trip
        self._spread += 0.25 * (abs(beyond) - self._spread)
        self._trip += 0.125 * beyond

    def _begin(self, packet: LinkPacket, now: float) -> None:
        """The device's first welcome; others are late copies."""
        if self._greeting is None:
            return
        fields = values_of(WELCOME, sum(word << 32 * place for place, word in enumerate(packet.words)))
        if fields["version"] != VERSION:
            raise DeviceError(
                f"the device speaks version {fields['version']} of the link, this program {VERSION}: "
                "take a bitstream and a program of one release"
            )
        self._learn(self._greeting, now)
        self.welcome = Welcome(fields["window"], fields["words"], fields["build"])
        self._base, self._greeting = packet.sequence, None
