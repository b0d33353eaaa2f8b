"""Command decoder: queue of commands, and the checks that come before any data."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import (
    ALL_SETS,
    FLAGS_USED,
    KEY_BITS,
    NO_SLOT,
    WORD_BITS,
    Bound,
    CacheAction,
    Flag,
    KeyFormat,
    Opcode,
    Quota,
    Status,
)
from formats.router.legality import MAXIMUM_ELEMENTS, MAXIMUM_IDS, MAXIMUM_PAIRED, MAXIMUM_TRIPLED
from hw.router.arithmetic.divider import Divider
from hw.router.frame.command import DESCRIPTOR, bound, command_layout, has, is_operation, mode
from hw.router.parameters import COMMAND_BITS, COMMAND_QUEUE_DEPTH, UnitParameters

_SLOTS = {
    "sa": (Opcode.TOPK, Opcode.RANGE, Opcode.GATHER),
    "sb": (Opcode.TOPK, Opcode.GATHER),
    "sc": (Opcode.GATHER,),
    "dst": (Opcode.TOPK, Opcode.FILTER, Opcode.RANGE, Opcode.GATHER, Opcode.PUTBM, Opcode.RATIO),
}
"""Operations that look at a slot."""


class CommandDecoder(wiring.Component):
    """Queues ``COMMAND_QUEUE_DEPTH`` commands and hands them over in order, checked.

    The lowest status that applies is found as ``formats.router.legality`` finds it. A command
    leaves about 25 cycles after it reached the queue's head, whatever it is: FIRST and PREFIX need
    a serial division. The next command is checked while one runs.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    i : In(stream.Signature(160))
    o : Out(stream.Signature(command_layout(parameters)))
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__(
            {
                "i": In(stream.Signature(COMMAND_BITS)),
                "o": Out(stream.Signature(command_layout(parameters))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Take, divide, judge, offer."""
        m = Module()
        m.submodules.queue = queue = SyncFIFOBuffered(width=COMMAND_BITS, depth=COMMAND_QUEUE_DEPTH)
        m.d.comb += [
            queue.w_data.eq(self.i.payload),
            queue.w_en.eq(self.i.valid),
            self.i.ready.eq(queue.w_rdy),
        ]
        m.submodules.divider = divider = Divider(MAXIMUM_ELEMENTS.bit_length(), 16)
        parameters = self._parameters
        descriptor = Signal(DESCRIPTOR)
        whole = Signal()  # FIRST of one row, or of none: nothing to divide
        words = Signal(range(parameters.keys // WORD_BITS + 1))
        m.d.comb += [
            whole.eq((descriptor.z == 0) & (descriptor.opcode == Opcode.FIRST)),
            divider.dividend.eq(descriptor.n[: MAXIMUM_ELEMENTS.bit_length()]),
            divider.divisor.eq(Mux(descriptor.opcode == Opcode.FIRST, descriptor.z, 3)),
            words.eq((descriptor.n + WORD_BITS - 1) >> 4),
        ]
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += queue.r_en.eq(1)
                m.d.sync += descriptor.eq(queue.r_data)
                with m.If(queue.r_rdy):
                    m.next = "DIVIDE"
            with m.State("DIVIDE"):
                m.d.comb += divider.start.eq(1)
                m.next = "JUDGE"
            with m.State("JUDGE"):
                m.d.sync += [
                    self.o.payload.descriptor.eq(descriptor),
                    self.o.payload.status.eq(self._status(m, descriptor, (divider.remainder != 0) & ~whole)),
                    self.o.payload.rows.eq(words * parameters.rows_per_word),
                    self.o.payload.base_row.eq(descriptor.base * parameters.rows_per_word),
                    self.o.payload.row_elements.eq(Mux(whole, descriptor.n, descriptor.z)),
                    self.o.payload.row_count.eq(Mux(whole, descriptor.n != 0, divider.quotient)),
                ]
                with m.If(divider.done):
                    m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "TAKE"
        return m

    def _status(self, m: Module, descriptor: data.View, indivisible: Value) -> Value:
        """The lowest status that applies."""
        used = Signal(16)
        known = Signal()
        with m.Switch(descriptor.opcode):
            for opcode, flags in FLAGS_USED.items():
                with m.Case(opcode):
                    m.d.comb += [known.eq(1), used.eq(flags | Flag.DATA | Flag.OUT)]
        bad_argument = Signal()
        bad_slot = Signal()
        bad_size = Signal()
        m.d.comb += [
            bad_argument.eq(
                ((descriptor.flags & ~used) != 0)
                | (has(descriptor, Flag.DATA) != self._takes_data(m, descriptor))
                | self._bad_argument(descriptor)
            ),
            bad_slot.eq(self._bad_slot(descriptor)),
        ]
        self._check_size(m, descriptor, indivisible, bad_size)
        status = Signal(len(self.o.payload.status))
        with m.If(~known):
            m.d.comb += status.eq(Status.BAD_OP)
        with m.Elif(bad_argument):
            m.d.comb += status.eq(Status.BAD_ARG)
        with m.Elif(bad_slot):
            m.d.comb += status.eq(Status.BAD_SLOT)
        with m.Elif(bad_size):
            m.d.comb += status.eq(Status.BAD_N)
        return status

    def _takes_data(self, m: Module, descriptor: data.View) -> Signal:
        """Whether elements are due."""
        takes = Signal()
        m.d.comb += takes.eq(
            (
                is_operation(
                    descriptor,
                    Opcode.LOAD,
                    Opcode.FIRST,
                    Opcode.PREFIX,
                    Opcode.RATIO,
                    Opcode.SEGLL,
                    Opcode.PUTBM,
                )
                | (is_operation(descriptor, Opcode.FILTER) & ~has(descriptor, Flag.FILTER_KEYS))
                | (is_operation(descriptor, Opcode.LRU) & (mode(descriptor) != CacheAction.FLUSH))
            )
            & (descriptor.n != 0)
        )
        return takes

    def _bad_argument(self, descriptor: data.View) -> Value:
        """A reserved field value, or a contradiction within one operation."""
        bound_reserved = bound(descriptor) > max(Bound)
        signed_format = (mode(descriptor) == KeyFormat.S16) | (mode(descriptor) == KeyFormat.S24)
        table = bound(descriptor) == Bound.TABLE
        no_bound = bound(descriptor) == Bound.NONE
        cases = {
            Opcode.LOAD: has(descriptor, Flag.LOAD_ACCUMULATE) & signed_format,
            Opcode.TOPK: (mode(descriptor) > max(Quota)) | (descriptor.flags[4:9] > KEY_BITS),
            Opcode.FILTER: bound_reserved | (has(descriptor, Flag.FILTER_KEYS) & table),
            Opcode.FIRST: bound_reserved | (has(descriptor, Flag.FIRST_NONE) & no_bound),
            Opcode.GATHER: has(descriptor, Flag.GATHER_WRITE) & (descriptor.dst == NO_SLOT),
            Opcode.RATIO: descriptor.x > 256,
        }
        found: Value = Const(0)
        for opcode, case in cases.items():
            found = found | (is_operation(descriptor, opcode) & case)
        return found

    def _bad_slot(self, descriptor: data.View) -> Value:
        """A slot between the last one and NO_SLOT, where the operation looks at it."""
        found: Value = Const(0)
        for field, opcodes in _SLOTS.items():
            slot = descriptor[field]
            bad = (slot >= self._parameters.slots) & (slot != NO_SLOT)
            found = found | (is_operation(descriptor, *opcodes) & bad)
        return found

    def _check_size(self, m: Module, descriptor: data.View, indivisible: Value, bad_size: Signal) -> None:
        """More than the memories hold, or an n the operation cannot divide."""
        parameters = self._parameters
        n = descriptor.n
        in_keys = Signal(KEY_BITS)  # what the operation needs of the key memory
        beyond_keys = Signal()
        beyond_bitmap = Signal()
        m.d.comb += [
            in_keys.eq(n),
            beyond_keys.eq(in_keys + (descriptor.base << 4) > parameters.keys),
            beyond_bitmap.eq(n > parameters.keys),
        ]
        with m.Switch(descriptor.opcode):
            with m.Case(Opcode.LOAD, Opcode.READKEYS, Opcode.TOPK):
                m.d.comb += bad_size.eq(beyond_keys)
            with m.Case(Opcode.FILTER):
                uses_keys = has(descriptor, Flag.FILTER_KEYS) | (bound(descriptor) == Bound.TABLE)
                m.d.comb += bad_size.eq(Mux(uses_keys, beyond_keys, beyond_bitmap))
            with m.Case(Opcode.FIRST):
                table = bound(descriptor) == Bound.TABLE
                m.d.comb += [
                    in_keys.eq(Mux(descriptor.z == 0, n, descriptor.z)),
                    bad_size.eq((n > MAXIMUM_ELEMENTS) | ((n != 0) & indivisible) | (table & beyond_keys)),
                ]
            with m.Case(Opcode.RANGE):
                m.d.comb += bad_size.eq(beyond_bitmap | (descriptor.x + descriptor.y > n))
            with m.Case(Opcode.GATHER, Opcode.PUTBM, Opcode.RATIO):
                m.d.comb += bad_size.eq(beyond_bitmap)
            with m.Case(Opcode.PREFIX):
                tripled, paired = indivisible | (n > MAXIMUM_TRIPLED), ~n[0] | (n > MAXIMUM_PAIRED)
                m.d.comb += bad_size.eq(Mux(has(descriptor, Flag.PREFIX_STOCHASTIC), tripled, paired))
            with m.Case(Opcode.SEGLL):
                pair = has(descriptor, Flag.SEGLL_PAIR)
                m.d.comb += [
                    in_keys.eq(Mux(pair, descriptor.x >> 1, descriptor.x)),
                    bad_size.eq((n > MAXIMUM_ELEMENTS) | beyond_keys),
                ]
            with m.Case(Opcode.LRU):
                every_set = (mode(descriptor) == CacheAction.FLUSH) & (descriptor.x == ALL_SETS)
                m.d.comb += bad_size.eq((n > MAXIMUM_IDS) | ((descriptor.x >= parameters.sets) & ~every_set))
