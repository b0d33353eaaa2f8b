"""Work: what a board gives its memory to until it is done."""

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.board.collector import MOST_ARGUMENTS
from hw.board.parameters import BoardParameters
from hw.memory.port import address_bits
from hw.memory.words import reading_layout


def work_members(parameters: BoardParameters) -> dict[str, wiring.Member]:
    """Members of a component that does a request.

    ``start``, ``arguments``: of the request, stable until ``done``. ``done``, ``status``: it has ended, and all that it
    writes is in the memory. ``cycles``, ``port_busy``: from ``start`` to ``done``; of these, those in which a word was
    taken. ``active``, ``took``: each of these cycles as it passes, ``took`` a cycle late. ``reading``, ``i``: to the
    memory, and what it reads. ``write_start``, ``write_address``, ``write_flush``, ``write_empty``, ``o``: to the
    memory's writer.
    """
    engine, memory = parameters.engine, parameters.memory
    return {
        "start": In(1),
        "arguments": In(data.ArrayLayout(32, MOST_ARGUMENTS)),
        "done": Out(1),
        "status": Out(8),
        "cycles": Out(32),
        "port_busy": Out(32),
        "active": Out(1),
        "took": Out(1),
        "reading": Out(stream.Signature(reading_layout(memory, engine.port_bytes, parameters.word_bits))),
        "i": In(stream.Signature(max(parameters.word_bits))),
        "write_start": Out(1),
        "write_address": Out(address_bits(memory, engine.port_bytes)),
        "write_flush": Out(1),
        "write_empty": In(1),
        "o": Out(stream.Signature(engine.port_bits)),
    }


def count_cycles(m: Module, work: wiring.Component) -> None:
    """Cycles of a component with these members, and of those the ones in which it takes a word."""
    m.d.sync += work.took.eq(work.i.valid & work.i.ready)
    with m.If(work.start):
        m.d.sync += [work.cycles.eq(1), work.port_busy.eq(0)]
    with m.Elif(work.active):
        m.d.sync += [work.cycles.eq(work.cycles + 1), work.port_busy.eq(work.port_busy + work.took)]
