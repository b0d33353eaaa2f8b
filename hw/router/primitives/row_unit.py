"""Row unit: the primitives whose result is a bitmap, around one reader and one writer of rows."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import NO_SLOT, WORD_BITS, Flag, Opcode
from hw.router.arithmetic.lanes import lanes_below
from hw.router.frame.command import command_layout, has, is_operation, wants_payload
from hw.router.frame.ports import BitmapRead, BitmapWrite, Elements, KeyRead, Multiplication, RowBits, Words, key_row
from hw.router.memories.row_reader import RowReader
from hw.router.memories.row_writer import RowWriter
from hw.router.parameters import UnitParameters
from hw.router.primitives.filter import Filter
from hw.router.primitives.gather import Gather, Lister
from hw.router.primitives.range_mask import RangeMask
from hw.router.primitives.topk import TopK

ROW_OPERATIONS = (Opcode.TOPK, Opcode.FILTER, Opcode.RANGE, Opcode.GATHER, Opcode.PUTBM)


class RowUnit(wiring.Component):
    """TOPK, FILTER, RANGE, GATHER and PUTBM.

    A row is read (one cycle a bitmap, or one), computed, and written three to five cycles later;
    rows follow each other without gaps unless a stream pauses. A row is read before it is written,
    so the result may replace an operand.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    command : In(command_layout(parameters))
        Stable while the operation runs.
    start : In(1)
        Begin; only for one of ``ROW_OPERATIONS``.
    done : Out(1)
        Everything is written and every word is on its way; not in the cycle of ``start``.
    count : Out(range(keys + 1))
        Members of the result; steady from ``done`` to the next ``start``.
    outside_start : In(1)
        Rows of a result that is computed elsewhere (RATIO) will come, to be written and counted the same way.
    outside : In(RowBits)
        Those rows.
    elements : Out(Elements)
        The packet's elements: keys for FILTER, words of a bitmap for PUTBM.
    keys : Out(KeyRead)
        Rows of the key memory, for TOPK, FILTER and GATHER.
    bitmap_read : Out(BitmapRead)
        Rows of the operands ``sa``, ``sb`` and ``sc``, one per cycle.
    bitmap_write : Out(BitmapWrite)
        Rows of the result ``dst``.
    words : Out(Words)
        The answer's payload: the result's bits, 16 a word, or GATHER's list.
    multiplier : Out(Multiplication())
        For the quota that TOPK is given as a rate.
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__(
            {
                "command": In(command_layout(parameters)),
                "start": In(1),
                "done": Out(1),
                "count": Out(range(parameters.keys + 1)),
                "outside_start": In(1),
                "outside": In(RowBits(parameters)),
                "elements": Out(Elements(parameters)),
                "keys": Out(KeyRead(parameters)),
                "bitmap_read": Out(BitmapRead(parameters)),
                "bitmap_write": Out(BitmapWrite(parameters)),
                "words": Out(Words()),
                "multiplier": Out(Multiplication()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Reader, functions, writer."""
        m = Module()
        parameters, descriptor = self._parameters, self.command.descriptor
        m.submodules.reader = reader = RowReader(parameters)
        m.submodules.writer = writer = RowWriter(parameters)
        m.submodules.lister = lister = Lister(parameters)
        m.submodules.topk = topk = TopK(parameters)
        wiring.connect(m, wiring.flipped(self.bitmap_read), reader.bitmap)
        wiring.connect(m, wiring.flipped(self.bitmap_write), writer.bitmap)
        active = Signal()
        lists = Signal()
        m.d.comb += [
            lists.eq(is_operation(descriptor, Opcode.GATHER) & has(descriptor, Flag.GATHER_LIST)),
            self.keys.row.eq(Mux(reader.busy, self.command.base_row + reader.row, 0)),
            reader.rows.eq(self.command.rows),
            writer.start.eq(self.start | self.outside_start),
            writer.rows.eq(self.command.rows),
            writer.slot.eq(Mux(writer.result.valid, descriptor.dst, 0)),
            writer.store.eq(self._stores()),
            writer.answer.eq(wants_payload(descriptor) & ~lists & ~is_operation(descriptor, Opcode.PUTBM)),
            lister.start.eq(self.start),
            lister.valid.eq(writer.result.valid & lists & wants_payload(descriptor)),
            lister.bits.eq(writer.result.bits),
            self.words.valid.eq(writer.words.valid | lister.words.valid),
            self.words.word.eq(writer.words.word | lister.words.word),
            lister.words.room.eq(self.words.room),
            self.count.eq(writer.count),
            self.done.eq(active & writer.done & lister.idle & topk.idle),
        ]
        with m.If(self.start | self.outside_start):
            m.d.sync += active.eq(1)
        with m.Elif(self.done):
            m.d.sync += active.eq(0)
        go = Signal()
        due = self._beat_due(m, reader)
        m.d.comb += [
            go.eq(self.words.room & lister.room),
            self.elements.ready.eq(due & go),
            reader.proceed.eq(go & (~due | self.elements.valid)),
        ]
        self._collect(m, writer.result, [self.outside, topk.o, *self._functions(m, reader)])
        self._connect_topk(m, topk, reader)
        return m

    def _collect(self, m: Module, result: wiring.PureInterface, sources: list[wiring.PureInterface]) -> None:
        """Only one source is not zero."""
        valid: Value = Const(0)
        bits: Value = Const(0)
        stored: Value = Const(0)
        for source in sources:
            valid, bits, stored = valid | source.valid, bits | source.bits, stored | source.stored
        m.d.comb += [result.valid.eq(valid), result.bits.eq(bits), result.stored.eq(stored)]

    def _stores(self) -> Value:
        """Whether dst is written: GATHER may name it as an operand only."""
        descriptor = self.command.descriptor
        reads_only = is_operation(descriptor, Opcode.GATHER) & ~has(descriptor, Flag.GATHER_WRITE)
        return (descriptor.dst != NO_SLOT) & ~reads_only

    def _named(self) -> Value:
        """Operands of RANGE and GATHER."""
        descriptor = self.command.descriptor
        slots = Cat(slot != NO_SLOT for slot in (descriptor.sa, descriptor.sb, descriptor.sc, descriptor.dst))
        gathers = is_operation(descriptor, Opcode.GATHER)
        ranges = is_operation(descriptor, Opcode.RANGE)
        return Mux(gathers, slots, Mux(ranges, slots[0], 0))

    def _beat_due(self, m: Module, reader: RowReader) -> Signal:
        """Whether the row being read needs the packet's next beat."""
        descriptor, parameters = self.command.descriptor, self._parameters
        filters = is_operation(descriptor, Opcode.FILTER) & ~has(descriptor, Flag.FILTER_KEYS)
        puts = is_operation(descriptor, Opcode.PUTBM)
        first_of_word = (reader.row & (parameters.rows_per_word - 1)) == 0
        beats = Signal(range(parameters.rows + 1))
        due = Signal()
        m.d.comb += [
            beats.eq((descriptor.n + parameters.lanes - 1) >> (parameters.lanes - 1).bit_length()),
            due.eq(reader.busy & ((filters & (reader.row < beats)) | (puts & first_of_word))),
        ]
        return due

    def _functions(self, m: Module, reader: RowReader) -> list[wiring.PureInterface]:
        """What each operation but TOPK makes of a row."""
        parameters, descriptor = self._parameters, self.command.descriptor
        lanes = parameters.lanes
        m.submodules.filter = keys_filter = Filter(parameters)
        m.submodules.range = range_mask = RangeMask(parameters)
        m.submodules.gather = gather = Gather(parameters)
        n = descriptor.n[: parameters.keys.bit_length()]
        inside = lanes_below(m, "inside", reader.o_row, n, lanes)
        streamed = Signal(key_row(parameters))
        m.d.sync += streamed.eq(self.elements.keys)
        m.d.comb += [
            keys_filter.descriptor.eq(descriptor),
            keys_filter.valid.eq(reader.valid & is_operation(descriptor, Opcode.FILTER)),
            keys_filter.inside.eq(inside),
            keys_filter.stored.eq(self.keys.keys),
            keys_filter.streamed.eq(streamed),
            range_mask.descriptor.eq(descriptor),
            range_mask.valid.eq(reader.valid & is_operation(descriptor, Opcode.RANGE)),
            range_mask.row.eq(reader.o_row),
            range_mask.inside.eq(inside),
            range_mask.mask.eq(reader.operands[0]),
            gather.descriptor.eq(descriptor),
            gather.valid.eq(reader.valid & is_operation(descriptor, Opcode.GATHER)),
            gather.inside.eq(inside),
        ]
        m.d.comb += [gather.operands[index].eq(operand) for index, operand in enumerate(reader.operands)]
        slots = (descriptor.sa, descriptor.sb, descriptor.sc, descriptor.dst)
        m.d.comb += [port.eq(slot) for port, slot in zip(reader.slots, slots, strict=True)]
        return [keys_filter.o, range_mask.o, gather.o, self._put_bitmap(m, reader, inside)]

    def _put_bitmap(self, m: Module, reader: RowReader, inside: Signal) -> wiring.PureInterface:
        """Cut PUTBM's words into rows."""
        lanes = self._parameters.lanes
        word = Signal(WORD_BITS)
        bits = Signal(lanes)
        valid = Signal()
        result = RowBits(self._parameters).create(path=("put",))
        m.d.comb += [
            valid.eq(reader.valid & is_operation(self.command.descriptor, Opcode.PUTBM)),
            bits.eq(Mux(valid, word[:lanes] & inside, 0)),
        ]
        with m.If(reader.fetching):
            m.d.sync += word.eq(Mux(self.elements.ready, self.elements.elements[0], word >> lanes))
        m.d.sync += [result.valid.eq(valid), result.bits.eq(bits), result.stored.eq(bits)]
        return result

    def _connect_topk(self, m: Module, topk: TopK, reader: RowReader) -> None:
        """The top-k walks the reader several times."""
        wiring.connect(m, wiring.flipped(self.multiplier), topk.multiplier)
        selected = is_operation(self.command.descriptor, Opcode.TOPK)
        m.d.comb += [
            topk.command.eq(self.command),
            topk.start.eq(self.start & selected),
            topk.busy.eq(reader.busy),
            topk.reading.eq(reader.row),
            topk.valid.eq(reader.valid & selected),
            topk.row.eq(reader.o_row),
            topk.keys.eq(self.keys.keys),
            reader.start.eq(Mux(selected, topk.walk, self.start)),
            reader.named.eq(Mux(selected, topk.named, self._named())),
        ]
        m.d.comb += [mask.eq(operand) for mask, operand in zip(topk.masks, reader.operands, strict=False)]
