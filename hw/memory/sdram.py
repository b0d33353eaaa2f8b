"""SDRAM controller: single beats in order, one page open, refresh in between."""

from amaranth.hdl import Cat, Const, Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory.chips import START_REFRESHES, SdramChip

# ras, cas, we, lowest bit first: 1 is a pin at its active, low level, so a register at reset says NOP
NOP, ACTIVATE, READ, WRITE, PRECHARGE, REFRESH, MODE = 0b000, 0b001, 0b010, 0b110, 0b101, 0b011, 0b111

ALL_BANKS = 1 << 10
"""Address pin 10 of a precharge. In a read or write it would close the page behind it."""


def request_layout(chip: SdramChip) -> data.StructLayout:
    """What the controller does next: one beat, its address counted in beats, and its data if it is written."""
    return data.StructLayout({"address": chip.address_bits, "write": 1, "data": chip.data_bits})


class SdramPins(wiring.Signature):
    """Pins of a chip beside its clock; all are 1 when active, so a board inverts cs, ras, cas and we."""

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
                "dqm": Out(chip.data_bits // 8, init=-1),
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


class SdramController(wiring.Component):
    """Reads and writes beats in the order of the requests, a beat a cycle within a page.

    A burst is a run of requests: every column command moves one beat, for the command bus has
    nothing else to do, and so a burst may pause or end anywhere. One page is open at a time; a
    request to another, or a refresh, closes it. The chip's rules are kept by counters, one a rule
    that binds. A read answers ``cas_latency`` + 4 cycles after its request was taken if its page is open.

    Parameters
    ----------
    chip
        The chip on its pins.
    clock_mhz
        Of the controller and the chip.
    cas_latency
        2 or 3.

    Members
    -------
    i : In(stream.Signature(request_layout(chip)))
    read_valid, read_data : Out(1), Out(data_bits)
        Beats read, in order. They do not wait: who asks keeps room for the answer.
    pins : Out(SdramPins(chip))
        All outputs are registers, and ``dq_i`` goes into one.

    Raises
    ------
    InputError
        If the chip cannot run so.
    """

    def __init__(self, chip: SdramChip, clock_mhz: float, cas_latency: int) -> None:
        self._chip = chip
        self._timing = timing = chip.timing(clock_mhz, cas_latency)
        # also keeps t_rc: a page is closed t_rp before the next activate
        self._page_cycles = max(timing.t_ras, timing.t_rc - timing.t_rp)
        # between a read and a write the data bus rests a cycle
        self._turn_cycles = timing.cas_latency + 2
        # a refresh waits at most for the page just opened, or for the beat just written
        self._refresh_wait = max(self._page_cycles, timing.t_rcd, timing.t_wr) + timing.t_rp - 1
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
        timing, pins = self._timing, self.pins
        longest = max(timing.start, timing.t_rcd, timing.t_rp, timing.t_rfc, timing.t_mrd)
        settle = Countdown(m, longest, "settle", after_reset=timing.start)
        page = Countdown(m, self._page_cycles, "page")
        written = Countdown(m, timing.t_wr, "written")
        turn = Countdown(m, self._turn_cycles, "turn")
        refresh_cycles = timing.refresh - self._refresh_wait
        refresh = Countdown(m, refresh_cycles, "refresh", after_reset=refresh_cycles)
        command, request, step = Signal(3), Signal(request_layout(self._chip)), Signal(range(START_REFRESHES + 3))
        waiting, same_page, is_open, started, may_close = (
            Signal(name=name) for name in ("waiting", "same_page", "is_open", "started", "may_close")
        )
        column, bank, row = self._split(request.address)
        m.d.comb += [
            started.eq(step == START_REFRESHES + 2),
            may_close.eq(page.done & written.done),
            Cat(pins.ras, pins.cas, pins.we).eq(command),
        ]
        m.d.sync += [command.eq(NOP), pins.ba.eq(bank), pins.dq_o.eq(request.data), pins.dq_oe.eq(0)]
        m.d.sync += pins.dqm.eq((~started).replicate(len(pins.dqm)))

        def close() -> None:
            m.d.sync += [command.eq(PRECHARGE), pins.a.eq(ALL_BANKS), is_open.eq(0)]
            settle.start(m, timing.t_rp)

        def restore() -> None:
            m.d.sync += command.eq(REFRESH)
            settle.start(m, timing.t_rfc)
            refresh.start(m, refresh_cycles)

        moves = Signal()
        with m.If(settle.done & ~started):
            m.d.sync += step.eq(step + 1)
            with m.If(step == 0):
                close()
            with m.Elif(step <= START_REFRESHES):
                restore()
            with m.Else():
                m.d.sync += [command.eq(MODE), pins.ba.eq(0), pins.a.eq(timing.cas_latency << 4)]
                settle.start(m, timing.t_mrd)
        with m.Elif(settle.done & refresh.done):
            with m.If(~is_open):
                restore()
            with m.Elif(may_close):
                close()
        with m.Elif(settle.done & waiting):
            with m.If(~is_open):
                m.d.sync += [command.eq(ACTIVATE), pins.a.eq(row), is_open.eq(1), same_page.eq(1)]
                settle.start(m, timing.t_rcd)
                page.start(m, self._page_cycles)
            with m.Elif(~same_page), m.If(may_close):
                close()
            with m.Elif(~request.write):
                m.d.comb += moves.eq(1)
                m.d.sync += [command.eq(READ), pins.a.eq(column)]
                turn.start(m, self._turn_cycles)
            with m.Elif(turn.done):
                m.d.comb += moves.eq(1)
                m.d.sync += [command.eq(WRITE), pins.a.eq(column), pins.dq_oe.eq(1)]
                written.start(m, timing.t_wr)
        self._accept(m, request, waiting, same_page, moves)
        self._receive(m, moves & ~request.write)
        return m

    def _split(self, address: Signal) -> tuple[Signal, Signal, Signal]:
        """Column, bank and row of an address; neighbouring pages are in different banks."""
        column, bank, row = self._chip.column_bits, self._chip.BANK_BITS, self._chip.row_bits
        return address[:column], address[column:][:bank], address[column + bank :][:row]

    def _accept(self, m: Module, request: data.View, waiting: Signal, same_page: Signal, moves: Signal) -> None:
        """Take the next request while the last one moves, and compare its page with the last one's."""
        m.d.comb += self.i.ready.eq(~waiting | moves)
        with m.If(self.i.ready):
            m.d.sync += waiting.eq(self.i.valid)
        with m.If(self.i.ready & self.i.valid):
            page = slice(self._chip.column_bits, None)
            m.d.sync += [
                request.eq(self.i.payload),
                same_page.eq(self.i.payload.address[page] == request.address[page]),
            ]

    def _receive(self, m: Module, reads: Const) -> None:
        """A beat read lies on the pins when its command, a register, and the chip's latency have passed."""
        under_way = Signal(self._timing.cas_latency + 1)
        m.d.sync += [
            under_way.eq(Cat(reads, under_way)),
            self.read_valid.eq(under_way[-1]),
            self.read_data.eq(self.pins.dq_i),
        ]
