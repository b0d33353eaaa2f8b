"""Activation memory: filled from the port once a matrix, read one column block a cycle."""

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from formats.engine import EngineParameters
from hw.block_ram import read_apart
from hw.mux import choose


def word_bits(parameters: EngineParameters) -> int:
    """Bits of a memory word: whole beats, and at least one column block of every format."""
    beats = max(parameters.beats_per_activation_word(f) for f in parameters.weight_formats)
    return beats * parameters.port_bits


class ActivationWrite(wiring.Signature):
    """Where a beat of activations goes."""

    def __init__(self, parameters: EngineParameters) -> None:
        beats = word_bits(parameters) // parameters.port_bits
        super().__init__(
            {
                "enable": Out(1),
                "vector": Out(range(parameters.batch)),
                "address": Out(range(memory_depth(parameters))),
                "beat": Out(range(beats)),
            }
        )


class ActivationRead(wiring.Signature):
    """Which column block is wanted: a word, and the block within it."""

    def __init__(self, parameters: EngineParameters) -> None:
        blocks = max(parameters.blocks_per_activation_word(f) for f in parameters.weight_formats)
        super().__init__({"address": Out(range(memory_depth(parameters))), "block": Out(range(blocks))})


def memory_depth(parameters: EngineParameters) -> int:
    """Words that hold the longest vector in any format."""
    return max(parameters.activation_words(f, parameters.maximum_columns) for f in parameters.weight_formats)


class ActivationMemory(wiring.Component):
    """One memory a vector of the batch, written a beat at a time, read a column block a cycle.

    A read answers ``LATENCY`` cycles later; the throughput is one block a cycle for every vector of
    the batch at once. A beat written is readable from the next cycle on; while it is written nothing is read.

    Parameters
    ----------
    parameters
        The engine's size.

    Members
    -------
    format : In(range(formats))
        Position of the matrix's format; tells where blocks start within a word.
    data : In(port_bits)
    write : In(ActivationWrite)
    read : In(ActivationRead)
    activations : Out(signed(activation_bits)).array(batch, C)
        Activations past the format's block size are 0.
    """

    LATENCY = 2

    def __init__(self, parameters: EngineParameters) -> None:
        self._parameters = parameters
        self._shape = signed(parameters.activation_bits)
        super().__init__(
            {
                "format": In(range(len(parameters.formats))),
                "data": In(parameters.port_bits),
                "write": In(ActivationWrite(parameters)),
                "read": In(ActivationRead(parameters)),
                "activations": Out(self._shape).array(parameters.batch, parameters.maximum_block_size),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Memories, then the choice of the block within the word, registered."""
        m = Module()
        width, port_bits = word_bits(self._parameters), self._parameters.port_bits
        block = Signal.like(self.read.block)
        m.d.sync += block.eq(self.read.block)
        for vector in range(self._parameters.batch):
            memory = Memory(shape=unsigned(width), depth=memory_depth(self._parameters), init=[])
            m.submodules[f"vector_{vector}"] = memory
            write = memory.write_port(granularity=port_bits)
            read, word = read_apart(m, memory, self.write.enable)
            chosen = self.write.enable & (self.write.vector == vector)
            m.d.comb += [
                write.addr.eq(self.write.address),
                write.data.eq(self.data.replicate(width // port_bits)),
                write.en.eq(Mux(chosen, 1 << self.write.beat, 0)),
                read.addr.eq(self.read.address),
            ]
            for c in range(self._parameters.maximum_block_size):
                m.d.sync += self.activations[vector][c].eq(self._select(word, block, c))
        return m

    def _select(self, word: Value, block: Value, c: int) -> Value:
        """Activation c of a block, by the format's block size."""
        bits = self._parameters.activation_bits
        by_format: list[Value] = []
        for weight_format in self._parameters.weight_formats:
            size = weight_format.block_size
            blocks = self._parameters.blocks_per_activation_word(weight_format)
            slices = [word[(b * size + c) * bits :][:bits] for b in range(blocks)]
            by_format.append(choose(block, slices) if c < size else Const(0, bits))
        return choose(self.format, by_format).as_signed()
