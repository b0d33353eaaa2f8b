"""SDRAM controller: single beats in order, one page open, refresh in between."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory.chips import START_REFRESHES, BeatMemory, Sdram, SdramChip

# ras, cas, we, lowest bit first: 1 is a pin at its active, low level, so a register at reset says NOP
NOP, ACTIVATE, READ, WRITE, PRECHARGE, REFRESH, MODE = 0b000, 0b001, 0b010, 0b110, 0b101, 0b011, 0b111

ALL_BANKS = 1 << 10
"""Address pin 10 of a precharge. In a read or write it would close the page behind it."""


def request_layout(chip: BeatMemory) -> data.StructLayout:
    """What the controller does next: one beat, its address counted in beats, and its data if it is written."""
    return data.StructLayout({"address": chip.address_bits, "write": 1, "data": chip.data_bits})


class SdramPins(wiring.Signature):
    """Pins of a chip beside its clock; all are 1 when active, so a board inverts cs, ras, cas and we.

    A register beside each pin lies between these and the chip, for each direction: the chip sees what is driven a
    cycle later, and ``dq_i`` is what lay on the pins a cycle ago. So no wire of the FPGA is between register and pin.
    """

    def __init__(self, chip: SdramChip) -> None:
        super().__init__(
            {
                "cke": Out(1, init=1),
                "cs": Out(1, init=1),
                "ras": Out(1),
                "cas": Out(1),
                "we": Out(1),
                "ba": Out(chip.BANK_BITS),
                "a": Out(chip.row_bits),
                "dqm": Out(chip.data_bits // 8, init=(1 << chip.data_bits // 8) - 1),
                "dq_o": Out(chip.data_bits),
                "dq_oe": Out(1),
                "dq_i": In(chip.data_bits),
            }
        )


class Countdown:
    """Cycles until a command may follow another; ``done`` is one flip-flop.

    Parameters
    ----------
    m
        Where it counts.
    most
        Longest distance.
    name
        Of its signal.
    after_reset
        Cycles that count from reset.
    """

    def __init__(self, m: Module, most: int, name: str, after_reset: int = 1) -> None:
        # from distance - 2 down to -1, whose sign says that the next cycle is far enough
        self._left = Signal(signed(most.bit_length() + 1), name=name, init=after_reset - 2)
        self.done = self._left[-1]
        with m.If(~self.done):
            m.d.sync += self._left.eq(self._left - 1)

    def start(self, m: Module, distance: int) -> None:
        """The command of this cycle is ``distance`` cycles before the first that may follow."""
        m.d.sync += self._left.eq(distance - 2)


@dataclass(frozen=True)
class _State:
    """Registers of the controller.

    ``settle``: until any command may follow; ``page``, ``written``: until a page may be closed; ``turn``:
    until a write may follow a read; ``refresh``: until one is due. ``command``: on the pins in this cycle.
    ``request``, ``waiting``: what comes next, if anything. ``same_page``: the open page, if any is, is the
    request's. ``moves``: its beat's command is given in this cycle.
    """

    settle: Countdown
    page: Countdown
    written: Countdown
    turn: Countdown
    refresh: Countdown
    command: Signal
    request: data.View
    waiting: Signal
    same_page: Signal
    is_open: Signal
    may_close: Signal
    moves: Signal


class SdramController(wiring.Component):
    """Reads and writes beats in the order of the requests, a beat per cycle within a page.

    A burst is a run of requests: every column command moves one beat, for the command bus has
    nothing else to do, and so a burst may pause or end anywhere. One page is open at a time; a
    request to another, or a refresh, closes it. The chip's rules are kept by counters, one a rule
    that binds. A read answers ``cas_latency`` + 5 cycles after its request was taken if its page is open.

    Parameters
    ----------
    sdram
        The chip on its pins, and how it is driven.

    Members
    -------
    i : In(stream.Signature(request_layout(chip)))
    read_valid, read_data : Out(1), Out(data_bits)
        Beats read, in order. They do not wait: who asks keeps room for the answer.
    pins : Out(SdramPins(chip))
        All outputs are registers, and ``dq_i`` goes into one: the pins' own registers may be far away.

    Raises
    ------
    InputError
        If the chip cannot run so.
    """

    modules = ""
    """Verilog of modules that it has instances of: none."""

    def __init__(self, sdram: Sdram) -> None:
        self._chip = chip = sdram.chip
        self._timing = timing = sdram.timing
        # also keeps t_rc: a page is closed t_rp before the next activate
        self._page_cycles = max(timing.t_ras, timing.t_rc - timing.t_rp)
        # between a read and a write the data bus rests a cycle
        self._turn_cycles = timing.cas_latency + 2
        # a refresh waits at most for the page just opened, or for the beat just written
        refresh_wait = max(self._page_cycles, timing.t_rcd, timing.t_wr) + timing.t_rp - 1
        self._refresh_cycles = timing.refresh - refresh_wait
        super().__init__(
            {
                "i": In(stream.Signature(request_layout(chip))),
                "read_valid": Out(1),
                "read_data": Out(chip.data_bits),
                "pins": Out(SdramPins(chip)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """One command a cycle at most: refresh before requests, and what must precede either."""
        m = Module()
        state = self._state(m)
        step = Signal(range(START_REFRESHES + 2))
        started = Signal()
        m.d.comb += Cat(self.pins.ras, self.pins.cas, self.pins.we).eq(state.command)
        m.d.sync += [
            state.command.eq(NOP),
            self.pins.dq_o.eq(state.request.data),
            self.pins.dq_oe.eq(0),
            self.pins.dqm.eq((~started).replicate(len(self.pins.dqm))),
        ]
        with m.If(state.settle.done & ~started):
            m.d.sync += step.eq(step + 1)
            self._start(m, state, step, started)
        with m.Elif(state.settle.done & state.refresh.done):
            with m.If(~state.is_open):
                self._restore(m, state)
            with m.Elif(state.may_close):
                self._close(m, state)
        with m.Elif(state.settle.done & state.waiting):
            self._serve(m, state)
        self._accept(m, state)
        self._receive(m, state.moves & ~state.request.write)
        return m

    def _state(self, m: Module) -> _State:
        """Counters for all rules, and registers."""
        timing = self._timing
        longest = max(timing.start, timing.t_rcd, timing.t_rp, timing.t_rfc, timing.t_mrd)
        page, written = Countdown(m, self._page_cycles, "page"), Countdown(m, timing.t_wr, "written")
        may_close = Signal()
        m.d.comb += may_close.eq(page.done & written.done)
        return _State(
            settle=Countdown(m, longest, "settle", after_reset=timing.start),
            page=page,
            written=written,
            turn=Countdown(m, self._turn_cycles, "turn"),
            refresh=Countdown(m, self._refresh_cycles, "refresh"),
            command=Signal(3, name="command"),
            request=Signal(request_layout(self._chip), name="request"),
            waiting=Signal(name="waiting"),
            same_page=Signal(name="same_page"),
            is_open=Signal(name="is_open"),
            may_close=may_close,
            moves=Signal(name="moves"),
        )

    def _start(self, m: Module, state: _State, step: Signal, started: Signal) -> None:
        """Close, refresh, set the mode: bursts of one beat, and the CAS latency."""
        with m.If(step == 0):
            self._close(m, state)
        with m.Elif(step <= START_REFRESHES):
            self._restore(m, state)
        with m.Else():
            m.d.sync += [state.command.eq(MODE), self.pins.ba.eq(0), self.pins.a.eq(self._timing.cas_latency << 4)]
            m.d.sync += started.eq(1)
            state.settle.start(m, self._timing.t_mrd)

    def _close(self, m: Module, state: _State) -> None:
        m.d.sync += [state.command.eq(PRECHARGE), self.pins.a.eq(ALL_BANKS), state.is_open.eq(0)]
        state.settle.start(m, self._timing.t_rp)

    def _restore(self, m: Module, state: _State) -> None:
        m.d.sync += state.command.eq(REFRESH)
        state.settle.start(m, self._timing.t_rfc)
        state.refresh.start(m, self._refresh_cycles)

    def _serve(self, m: Module, state: _State) -> None:
        """Move the beat of the request, or do what must come first."""
        column, bank, row = self._split(state.request.address)
        m.d.sync += self.pins.ba.eq(bank)
        with m.If(~state.is_open):
            m.d.sync += [state.command.eq(ACTIVATE), self.pins.a.eq(row)]
            m.d.sync += [state.is_open.eq(1), state.same_page.eq(1)]
            state.settle.start(m, self._timing.t_rcd)
            state.page.start(m, self._page_cycles)
        with m.Elif(~state.same_page), m.If(state.may_close):
            self._close(m, state)
        with m.Elif(~state.request.write):
            m.d.comb += state.moves.eq(1)
            m.d.sync += [state.command.eq(READ), self.pins.a.eq(column)]
            state.turn.start(m, self._turn_cycles)
        with m.Elif(state.turn.done):
            m.d.comb += state.moves.eq(1)
            m.d.sync += [state.command.eq(WRITE), self.pins.a.eq(column), self.pins.dq_oe.eq(1)]
            state.written.start(m, self._timing.t_wr)

    def _split(self, address: Signal) -> tuple[Signal, Signal, Signal]:
        """Column, bank and row of an address; neighbouring pages are in different banks."""
        column, bank, row = self._chip.column_bits, self._chip.BANK_BITS, self._chip.row_bits
        return address[:column], address[column:][:bank], address[column + bank :][:row]

    def _accept(self, m: Module, state: _State) -> None:
        """Take the next request while the last one moves, and compare its page with the last one's."""
        page = slice(self._chip.column_bits, None)
        m.d.comb += self.i.ready.eq(~state.waiting | state.moves)
        with m.If(self.i.ready):
            m.d.sync += state.waiting.eq(self.i.valid)
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += [
                state.request.eq(self.i.payload),
                state.same_page.eq(self.i.payload.address[page] == state.request.address[page]),
            ]

    def _receive(self, m: Module, reads: Value) -> None:
        """A beat read comes when its command, a register, the pins' two, and the chip's latency have passed."""
        under_way = Signal(self._timing.cas_latency + 3)
        m.d.sync += [
            under_way.eq(Cat(reads, under_way)),
            self.read_valid.eq(under_way[-1]),
            self.read_data.eq(self.pins.dq_i),
        ]
