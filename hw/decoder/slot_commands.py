"""Slot commands: vector commands that say by a slot where a vector lies."""

from amaranth.hdl import Cat, Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.decoder.handover import Handover
from hw.decoder.vector_command import command_layout

ENDS = ("source", "destination")


def slot_command_layout(words: int, slots: int, placed: int, batch: int = 1) -> data.StructLayout:
    """``command_layout`` with ``source_at`` and ``destination_at`` instead of bases: slots of those that are placed.

    All slots are those of one of the batch.
    """
    layout = command_layout(words, slots, batch)
    members = {name: shape for name, shape in layout.members.items() if "_base" not in name}
    own = dict.fromkeys(ENDS, range(slots)) | {f"{end}_at": range(placed) for end in ENDS}
    return data.StructLayout(members | own)


class SlotCommands(wiring.Component):
    """Keeps where slots begin, and hands commands on with it.

    It takes commands and lets them leave as a ``Handover`` does.

    Parameters
    ----------
    words, slots, batch
        Of the vector unit; with a batch slots are a power of two.
    placed
        The first slots, which have a place.

    Members
    -------
    write, slot, place : In(1), In(range(placed)), In(range(words + 1))
        A slot begins at a place from the next cycle on. The first begins at 0.
    i : In(stream.Signature(slot_command_layout(words, slots, placed, batch)))
    within : In(range(batch * words))
        Words from where the slot begins to where the vector does, those of earlier parts of the batch included.
        With ``i``.
    vector : In(range(batch))
        Whose slots are meant. With ``i``.
    o : Out(stream.Signature(command_layout(words, slots, batch)))
    """

    def __init__(self, words: int, slots: int, placed: int, batch: int = 1) -> None:
        self._words, self._placed = words, placed
        super().__init__(
            {
                "write": In(1),
                "slot": In(range(placed)),
                "place": In(range(words + 1)),
                "i": In(stream.Signature(slot_command_layout(words, slots, placed, batch))),
                "within": In(range(batch * words)),
                "vector": In(range(batch)),
                "o": Out(stream.Signature(command_layout(words, slots, batch))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A register, then a look-up and a sum."""
        m = Module()
        m.submodules.places = places = Memory(shape=range(self._words + 1), depth=self._placed, init=[])
        together = data.StructLayout(
            {"command": self.i.payload.shape(), "within": self.within.shape(), "vector": self.vector.shape()}
        )
        m.submodules.handover = handover = Handover(together)
        write, command, within = places.write_port(), handover.o.payload.command, handover.o.payload.within
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.slot),
            write.data.eq(self.place),
            handover.i.valid.eq(self.i.valid),
            handover.i.payload.command.eq(self.i.payload),
            handover.i.payload.within.eq(self.within),
            handover.i.payload.vector.eq(self.vector),
            self.i.ready.eq(handover.i.ready),
            self.o.valid.eq(handover.o.valid),
            handover.o.ready.eq(self.o.ready),
        ]
        for name in self.o.payload.shape().members:
            if name in ENDS:
                m.d.comb += getattr(self.o.payload, name).eq(Cat(getattr(command, name), handover.o.payload.vector))
            elif name not in (f"{end}_base" for end in ENDS):
                m.d.comb += getattr(self.o.payload, name).eq(getattr(command, name))
        for end in ENDS:
            read = places.read_port(domain="comb")
            m.d.comb += [
                read.addr.eq(getattr(command, f"{end}_at")),
                getattr(self.o.payload, f"{end}_base").eq(read.data + within),
            ]
        return m
