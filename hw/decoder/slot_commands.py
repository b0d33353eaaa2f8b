"""Slot commands: vector commands that say by a slot where a vector lies."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.decoder.vector_unit import command_layout

ENDS = ("source", "destination")


def slot_command_layout(words: int, slots: int, placed: int) -> data.StructLayout:
    """``command_layout`` with ``source_at`` and ``destination_at`` instead of bases: slots of those that are placed."""
    members = {name: shape for name, shape in command_layout(words, slots).members.items() if "_base" not in name}
    return data.StructLayout({**members, **{f"{end}_at": range(placed) for end in ENDS}})


class SlotCommands(wiring.Component):
    """Keeps where slots begin, and hands commands on with it.

    A command leaves in the cycle behind the one in which it was taken. It is only taken when whoever gets it is ready,
    so what else goes with it may change as it is taken.

    Parameters
    ----------
    words, slots
        Of the vector unit.
    placed
        The first slots, which have a place.

    Members
    -------
    write, slot, place : In(1), In(range(placed)), In(range(words + 1))
        A slot begins at a place from the next cycle on. The first begins at 0.
    i : In(stream.Signature(slot_command_layout(words, slots, placed)))
    within : In(range(words))
        Words from where the slot begins to where the vector does. With ``i``.
    o : Out(stream.Signature(command_layout(words, slots)))
    """

    def __init__(self, words: int, slots: int, placed: int) -> None:
        self._words, self._placed = words, placed
        super().__init__(
            {
                "write": In(1),
                "slot": In(range(placed)),
                "place": In(range(words + 1)),
                "i": In(stream.Signature(slot_command_layout(words, slots, placed))),
                "within": In(range(words)),
                "o": Out(stream.Signature(command_layout(words, slots))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A register, then a look-up and a sum."""
        m = Module()
        m.submodules.places = places = Memory(shape=range(self._words + 1), depth=self._placed, init=[])
        write, command, within = places.write_port(), Signal.like(self.i.payload), Signal.like(self.within)
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.slot),
            write.data.eq(self.place),
            self.i.ready.eq(self.o.ready & ~self.o.valid),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [command.eq(self.i.payload), within.eq(self.within), self.o.valid.eq(1)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        for name in self.o.payload.shape().members:
            if name not in (f"{end}_base" for end in ENDS):
                m.d.comb += getattr(self.o.payload, name).eq(getattr(command, name))
        for end in ENDS:
            read = places.read_port(domain="comb")
            m.d.comb += [
                read.addr.eq(getattr(command, f"{end}_at")),
                getattr(self.o.payload, f"{end}_base").eq(read.data + within),
            ]
        return m
