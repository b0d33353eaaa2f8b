"""Load: a packet's keys into the key memory, stored or added up; and reading them back."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import KEY_BITS, Flag
from hw.router.arithmetic.lanes import lanes_below
from hw.router.frame.command import command_layout, has, wants_payload
from hw.router.frame.ports import Elements, KeyRead, KeyWrite, Words, key_row
from hw.router.parameters import UnitParameters


class Load(wiring.Component):
    """LOAD: a row per cycle, written in the cycle after its beat.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    command : In(command_layout(parameters))
        Stable while the operation runs.
    start : In(1)
        Begin; the first beat is taken in the next cycle.
    done : Out(1)
        The last row is written.
    saturated : Out(1)
        A sum of this command was clipped; steady to the next ``start``.
    elements : Out(Elements)
        The packet's keys, ``lanes`` a beat.
    read : Out(KeyRead)
        The row that the beat is added to.
    write : Out(KeyWrite)
        The row with the beat's keys in it; lanes past the packet's end are not enabled.
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__(
            {
                "command": In(command_layout(parameters)),
                "start": In(1),
                "done": Out(1),
                "saturated": Out(1),
                "elements": Out(Elements(parameters)),
                "read": Out(KeyRead(parameters)),
                "write": Out(KeyWrite(parameters)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Read the row while its beat arrives; add; write."""
        m = Module()
        parameters, descriptor = self._parameters, self.command.descriptor
        lanes = parameters.lanes
        active = Signal()
        row = Signal(range(parameters.rows + 1))
        beats = Signal(range(parameters.rows + 1))
        arrived = Signal()
        keys = Signal(key_row(parameters))
        written = Signal(range(parameters.rows))
        m.d.comb += [
            beats.eq((descriptor.n + lanes - 1) >> (lanes - 1).bit_length()),
            self.elements.ready.eq(active & (row != beats)),
            self.read.row.eq(Mux(self.elements.ready, self.command.base_row + row, 0)),
            self.done.eq(active & (row == beats) & ~arrived),
        ]
        m.d.sync += [
            arrived.eq(self.elements.ready & self.elements.valid),
            keys.eq(self.elements.keys),
            written.eq(row),
        ]
        with m.If(self.start):
            m.d.sync += [active.eq(1), row.eq(0), self.saturated.eq(0)]
        with m.Elif(self.done):
            m.d.sync += active.eq(0)
        with m.Elif(self.elements.ready & self.elements.valid):
            m.d.sync += row.eq(row + 1)
        n = descriptor.n[: parameters.keys.bit_length()]
        inside = lanes_below(m, "inside", written, n, lanes)
        clipped = Signal(lanes)
        m.d.comb += [
            self.write.enable.eq(Mux(arrived, inside, 0)),
            self.write.row.eq(Mux(arrived, self.command.base_row + written, 0)),
        ]
        for lane in range(lanes):
            total = Signal(KEY_BITS + 1, name=f"total_{lane}")
            stored = Mux(has(descriptor, Flag.LOAD_ACCUMULATE), self.read.keys[lane], 0)
            m.d.comb += [
                total.eq(keys[lane] + stored),
                clipped[lane].eq(total[-1]),
                self.write.keys[lane].eq(Mux(arrived, total[:KEY_BITS] | total[-1].replicate(KEY_BITS), 0)),
            ]
        with m.If(arrived & ((clipped & inside) != 0)):
            m.d.sync += self.saturated.eq(1)
        return m


class ReadKeys(wiring.Component):
    """READKEYS: a word per cycle, two per key, low word first.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    command : In(command_layout(parameters))
    start : In(1)
    done : Out(1)
    read : Out(KeyRead)
    words : Out(Words)
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__(
            {
                "command": In(command_layout(parameters)),
                "start": In(1),
                "done": Out(1),
                "read": Out(KeyRead(parameters)),
                "words": Out(Words()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Position in words, half a key each."""
        m = Module()
        parameters, descriptor = self._parameters, self.command.descriptor
        lane_bits = (parameters.lanes - 1).bit_length()
        active = Signal()
        position = Signal(range(2 * parameters.keys + 1))
        fetch = Signal()
        arriving = Signal()
        half = Signal()
        lane = Signal(lane_bits)
        key = Signal(KEY_BITS)
        m.d.comb += [
            fetch.eq(active & self.words.room & (position != descriptor.n << 1)),
            self.read.row.eq(Mux(fetch, self.command.base_row + position[1 + lane_bits :], 0)),
            key.eq(Cat(self.read.keys).word_select(lane, KEY_BITS)),
            self.words.valid.eq(arriving & wants_payload(descriptor)),
            self.words.word.eq(Mux(self.words.valid, Mux(half, key[16:], key[:16]), 0)),
            self.done.eq(active & (position == descriptor.n << 1) & ~arriving),
        ]
        m.d.sync += [arriving.eq(fetch), half.eq(position[0]), lane.eq(position[1:])]
        with m.If(self.start):
            m.d.sync += [active.eq(1), position.eq(0)]
        with m.Elif(self.done):
            m.d.sync += active.eq(0)
        with m.Elif(fetch):
            m.d.sync += position.eq(position + 1)
        return m
