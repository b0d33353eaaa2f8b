"""Router: commands and data in, answers out."""

from amaranth.hdl import Cat, Const, Module, Mux, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import SATURATED_KEY, SATURATED_VALUE, Opcode, Status
from hw.router.arithmetic.multiplier import Multiplier
from hw.router.frame.answer import ANSWER_WORD, Answer
from hw.router.frame.command import is_operation, mode
from hw.router.frame.command_decoder import CommandDecoder
from hw.router.frame.info import Info
from hw.router.frame.receiver import Receiver, beat_layout
from hw.router.frame.sequencer import Sequencer
from hw.router.memories.bitmap_memory import BitmapMemory
from hw.router.memories.key_memory import KeyMemory
from hw.router.parameters import COMMAND_BITS, UnitParameters
from hw.router.primitives.cache import Cache
from hw.router.primitives.first import First
from hw.router.primitives.load import Load, ReadKeys
from hw.router.primitives.prefix import Prefix
from hw.router.primitives.ratio import Ratio
from hw.router.primitives.row_unit import ROW_OPERATIONS, RowUnit
from hw.router.primitives.segments import Segments


class Router(wiring.Component):
    """Executes commands in order, each answered by a payload and a trailer of six words.

    Results are those of ``golden_models.router.unit.RouterUnit``. The busy cycles in the trailer
    count from the command leaving the decoder to the trailer's last word, had the host taken that
    at once; as long as the host never pauses they depend on the command alone.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    i_cmd : In(stream.Signature(160))
    i_data : In(stream.Signature(beat_layout(parameters)))
        Packets of the commands with the DATA flag, in the order of the commands.
    o_rsp : Out(stream.Signature(ANSWER_WORD))
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__(
            {
                "i_cmd": In(stream.Signature(COMMAND_BITS)),
                "i_data": In(stream.Signature(beat_layout(parameters))),
                "o_rsp": Out(stream.Signature(ANSWER_WORD)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Memories, primitives, and what they share."""
        m = Module()
        parameters = self._parameters
        m.submodules.decoder = decoder = CommandDecoder(parameters)
        m.submodules.sequencer = sequencer = Sequencer(parameters)
        m.submodules.receiver = receiver = Receiver(parameters)
        m.submodules.key_memory = key_memory = KeyMemory(parameters)
        m.submodules.bitmap_memory = bitmap_memory = BitmapMemory(parameters)
        m.submodules.multiplier = multiplier = Multiplier()
        m.submodules.answer = answer = Answer()
        m.submodules.load = load = Load(parameters)
        m.submodules.read_keys = read_keys = ReadKeys(parameters)
        m.submodules.row_unit = row_unit = RowUnit(parameters)
        m.submodules.first = first = First(parameters)
        m.submodules.prefix = prefix = Prefix(parameters)
        m.submodules.ratio = ratio = Ratio(parameters)
        m.submodules.segments = segments = Segments(parameters)
        m.submodules.cache = cache = Cache(parameters)
        m.submodules.info = info = Info(parameters)
        wiring.connect(m, wiring.flipped(self.i_cmd), decoder.i)
        wiring.connect(m, wiring.flipped(self.i_data), receiver.i)
        wiring.connect(m, wiring.flipped(self.o_rsp), answer.o)
        wiring.connect(m, decoder.o, sequencer.i)
        wiring.connect(m, row_unit.bitmap_read, bitmap_memory.read)
        wiring.connect(m, row_unit.bitmap_write, bitmap_memory.write)
        wiring.connect(m, ratio.o, row_unit.outside)

        _share(m, key_memory.read, [load.read, read_keys.read, row_unit.keys, first.read])
        _share(m, key_memory.write, [load.write, segments.write])
        _share(m, multiplier.i, [row_unit.multiplier, prefix.multiplier, segments.multiplier])
        takers = (load, row_unit, first, prefix, ratio, segments, cache)
        _share(m, receiver.o, [taker.elements for taker in takers])
        speakers = (read_keys, row_unit, first, prefix, segments, cache, info)
        _share(m, answer.words, [speaker.words for speaker in speakers])

        descriptor = sequencer.command.descriptor
        parts: dict[tuple[Opcode, ...], wiring.Component] = {
            (Opcode.LOAD,): load,
            (Opcode.READKEYS,): read_keys,
            ROW_OPERATIONS: row_unit,
            (Opcode.FIRST,): first,
            (Opcode.PREFIX,): prefix,
            (Opcode.RATIO,): ratio,
            (Opcode.SEGLL,): segments,
            (Opcode.LRU,): cache,
            (Opcode.INFO,): info,
        }
        for opcodes, part in parts.items():
            m.d.comb += [
                part.command.eq(sequencer.command),
                part.start.eq(sequencer.start & is_operation(descriptor, *opcodes)),
            ]
        m.d.comb += [
            row_unit.outside_start.eq(ratio.start),
            ratio.room.eq(answer.words.room),
            cache.ended.eq(receiver.ended),
            cache.intact.eq(receiver.status == Status.OK),
            info.counters.eq(cache.counters),
            # a ratio is done when the row unit has its rows
            sequencer.done.eq(Cat(part.done for part in parts.values() if part is not ratio).any()),
            sequencer.bad_data.eq((segments.done & segments.bad_data) | (cache.done & cache.bad_data)),
            sequencer.ended.eq(receiver.ended),
            sequencer.data_status.eq(receiver.status),
            sequencer.closed.eq(answer.done),
            receiver.start.eq(sequencer.begin),
            receiver.follows.eq(sequencer.follows),
            receiver.finish.eq(sequencer.finish | cache.finish),
            receiver.format.eq(mode(descriptor)),
            answer.close.eq(sequencer.close),
            answer.trailer.status.eq(sequencer.status),
            answer.trailer.tag.eq(descriptor.tag),
            answer.trailer.opcode.eq(descriptor.opcode),
            answer.trailer.cycles.eq(sequencer.cycles),
        ]
        with m.If(sequencer.command.status == Status.OK):
            with m.Switch(descriptor.opcode):
                with m.Case(Opcode.LOAD, Opcode.READKEYS):
                    m.d.comb += answer.trailer.count.eq(descriptor.n)
                with m.Case(*ROW_OPERATIONS, Opcode.RATIO):
                    m.d.comb += answer.trailer.count.eq(row_unit.count)
                for opcode, part in (
                    (Opcode.FIRST, first),
                    (Opcode.PREFIX, prefix),
                    (Opcode.SEGLL, segments),
                    (Opcode.LRU, cache),
                ):
                    with m.Case(opcode):
                        m.d.comb += answer.trailer.count.eq(part.count)
            m.d.comb += [
                answer.trailer.sticky.eq(
                    Mux(is_operation(descriptor, Opcode.LOAD) & load.saturated, SATURATED_KEY, 0)
                    | Mux(is_operation(descriptor, Opcode.SEGLL) & segments.saturated, SATURATED_VALUE, 0)
                ),
            ]
        return m


def _share(m: Module, shared: wiring.PureInterface, users: list[wiring.PureInterface]) -> None:
    """Give a port to several users of which all but one drive zeros."""
    for name, member in users[0].signature.members.items():
        if member.flow == wiring.Out:
            driven: Value = Const(0)
            for user in users:
                driven = driven | Value.cast(getattr(user, name))
            m.d.comb += Value.cast(getattr(shared, name)).eq(driven)
        else:
            m.d.comb += [Value.cast(getattr(user, name)).eq(Value.cast(getattr(shared, name))) for user in users]
