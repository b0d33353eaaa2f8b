"""Memory port: runs of beats read and written, over a controller that knows the chip's own, narrower beats."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from formats.errors import InputError
from hw.memory.chips import BeatMemory
from hw.memory.sdram import request_layout


def parts_a_beat(chip: BeatMemory, port_bytes: int) -> int:
    """Chip's beats in one of the port's.

    Raises
    ------
    InputError
        If the port's is not 1, 2, 4 or 8 of them.
    """
    known = [parts * chip.data_bits // 8 for parts in (1, 2, 4, 8)]
    if port_bytes not in known:
        listed = ", ".join(map(str, known[:-1]))
        raise InputError(f"port_bytes over {chip.name} must be {listed} or {known[-1]}, not {port_bytes!r}")
    return port_bytes // known[0]


def address_bits(chip: BeatMemory, port_bytes: int) -> int:
    """Bits of an address that counts the port's beats."""
    return chip.address_bits - (parts_a_beat(chip, port_bytes) - 1).bit_length()


def run_layout(chip: BeatMemory, port_bytes: int, most_beats: int = 0) -> data.StructLayout:
    """A run of beats: its first address, counted in beats, beats less one, and whether they are written.

    A run that ``follows`` goes on where the one before it ended, and has no address of its own. Addresses reach over
    the whole chip; past its end a run goes on at address 0. So do beats, unless a run has ``most_beats``.
    """
    bits = address_bits(chip, port_bytes)
    return data.StructLayout(
        {"address": bits, "beats": range(most_beats) if most_beats else bits, "write": 1, "follows": 1}
    )


class MemoryPort(wiring.Component):
    """Turns runs into requests of single beats of the chip, and keeps what is read until it is taken.

    Runs are done in their order, so a read finds what the run before it wrote. The chip moves a beat
    of its own a cycle, and runs follow each other without a gap. Beats are kept as wide as the port,
    so a consumer that pauses can catch up.

    Parameters
    ----------
    chip
        Behind the controller.
    port_bytes
        Bytes of a beat: 1, 2, 4 or 8 times those of the chip, whose lower address holds the lower bytes.
    depth
        Beats that are asked for or kept at once; of at least the controller's latency and this
        port's own, 12 cycles at CAS latency 3, or a reader that never pauses would wait.
    burst
        Beats for which there must be room before a port that had none asks again: a page that another port
        uses is then closed more rarely.
    most_beats
        Of a run; 0 for as many as the chip has.

    Members
    -------
    i_run : In(stream.Signature(run_layout(chip, port_bytes, most_beats)))
    i : In(stream.Signature(8 * port_bytes))
        Beats to write.
    o : Out(stream.Signature(8 * port_bytes))
        Beats read.
    request : Out(stream.Signature(request_layout(chip)))
    read_valid, read_data : In(1), In(data_bits)
        Of the controller.

    Raises
    ------
    InputError
        If the port's beat is not 1, 2, 4 or 8 of the chip's.
    """

    def __init__(self, chip: BeatMemory, port_bytes: int, depth: int = 16, burst: int = 1, most_beats: int = 0) -> None:
        self._chip, self._port_bytes, self._depth, self._burst = chip, port_bytes, depth, burst
        self._parts = parts_a_beat(chip, port_bytes)
        runs = stream.Signature(run_layout(chip, port_bytes, most_beats))
        super().__init__(
            {
                "i_run": In(runs),
                "i": In(stream.Signature(8 * port_bytes)),
                "o": Out(stream.Signature(8 * port_bytes)),
                "request": Out(stream.Signature(request_layout(chip))),
                "read_valid": In(1),
                "read_data": In(chip.data_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Count addresses; ask for a beat only if there is room for it."""
        m = Module()
        run, active, room_for_one = Signal.like(self.i_run.payload), Signal(), Signal()
        last_beat = Signal()  # of the run; a register, as all its bits decide, and much begins with it
        part, asks, asked, last_part = Signal(range(self._parts)), Signal(), Signal(), Signal()
        m.d.comb += [
            # room is looked for, and taken, with a beat's first part
            asks.eq(active & ~run.write & (room_for_one | (part != 0))),
            self.request.valid.eq(asks | (active & run.write & self.i.valid)),
            self.request.payload.address.eq(Cat(part, run.address)),
            self.request.payload.write.eq(run.write),
            self.request.payload.data.eq(self.i.payload.word_select(part, self._chip.data_bits)),
            asked.eq(self.request.valid & self.request.ready),
            last_part.eq(part == self._parts - 1),
            self.i.ready.eq(active & run.write & self.request.ready & last_part),
            self.i_run.ready.eq(~active | (asked & last_part & last_beat)),
        ]
        with m.If(asked):
            m.d.sync += part.eq(part + 1)
            with m.If(last_part):
                m.d.sync += [run.address.eq(run.address + 1), run.beats.eq(run.beats - 1)]
                m.d.sync += last_beat.eq(run.beats == 1)
        with m.If(self.i_run.ready):
            m.d.sync += active.eq(self.i_run.valid)
            with m.If(self.i_run.valid):
                m.d.sync += [run.beats.eq(self.i_run.payload.beats), run.write.eq(self.i_run.payload.write)]
                m.d.sync += last_beat.eq(self.i_run.payload.beats == 0)
                with m.If(~self.i_run.payload.follows):
                    m.d.sync += run.address.eq(self.i_run.payload.address)
        self._keep(m, room_for_one, asks & self.request.ready & (part == 0))
        return m

    def _keep(self, m: Module, room_for_one: Signal, promised: Signal) -> None:
        """Join parts to beats and keep these; count the room that is not promised."""
        m.submodules.kept = kept = fifo.SyncFIFO(width=8 * self._port_bytes, depth=self._depth)
        room, freed = Signal(range(self._depth + 1), init=self._depth), Signal()
        has_room = Signal(init=1)  # a register, as many paths begin with it
        part, before = Signal(range(self._parts)), Signal(8 * self._port_bytes - self._chip.data_bits)
        joined = Cat(before, self.read_data)
        with m.If(self.read_valid):
            m.d.sync += [part.eq(part + 1), before.eq(joined[self._chip.data_bits :])]
        m.d.comb += [
            kept.w_en.eq(self.read_valid & (part == self._parts - 1)),
            kept.w_data.eq(joined),
            kept.r_en.eq(self.o.ready),
            self.o.valid.eq(kept.r_rdy),
            self.o.payload.eq(kept.r_data),
            room_for_one.eq(has_room & ~self._waits(m, room)),
        ]
        m.d.sync += freed.eq(self.o.valid & self.o.ready)  # a cycle late, so that no path leads from ready into a sum
        m.d.sync += [
            room.eq(room - promised + freed),
            has_room.eq((room != promised) | freed),
        ]

    def _waits(self, m: Module, room: Signal) -> Value:
        """Whether there has been no room, and still there is none for a burst."""
        full = Signal()
        if self._burst > 1:
            m.d.sync += full.eq((full | (room == 0)) & (room < self._burst))
        return full
