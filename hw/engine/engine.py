"""The engine: memory port in, exact matrix-vector products out."""

from amaranth.hdl import EnableInserter, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from formats.engine import GENERATOR_LATENCY, RESULT_BITS, EngineParameters
from formats.fp16 import Fp16Format
from hw.engine.accumulators import Accumulators
from hw.engine.activation_memory import ActivationMemory
from hw.engine.fp16_lane import Fp16Lane
from hw.engine.lane import Lane
from hw.engine.palette import TableMemory
from hw.engine.sequencer import Sequencer, command_layout


class Engine(wiring.Component):
    """Multiplies a matrix that streams in by vectors it holds, one beat of weights per cycle.

    A command is followed, on the same port, by its activations (vector by vector, in words of whole
    column blocks) and its weights (row group by row group, a beat per column block, lane i's word at
    bit ``i * word_bits``). Lane i works on row ``group * lanes + i``, so all lanes share a column
    block's activations.

    The throughput is one beat per cycle; from the last beat to the first result pass ``latency``
    cycles and three of the queue.

    Parameters
    ----------
    parameters
        The engine's size.

    Members
    -------
    i_command : In(stream.Signature(command_layout))
    i_data : In(stream.Signature(port_bits))
    o_results : Out(stream.Signature(ArrayLayout(signed(64), results_per_beat)))
        Row group by row group, vector by vector, lanes in order.
    """

    def __init__(self, parameters: EngineParameters) -> None:
        self._parameters = parameters
        results = data.ArrayLayout(signed(RESULT_BITS), parameters.results_per_beat)
        super().__init__(
            {
                "i_command": In(stream.Signature(command_layout(parameters))),
                "i_data": In(stream.Signature(parameters.port_bits)),
                "o_results": Out(stream.Signature(results)),
            }
        )

    @property
    def parameters(self) -> EngineParameters:
        """The engine's size."""
        return self._parameters

    def elaborate(self, platform: object) -> Module:
        """Sequencer, memory, lanes, accumulators, and the delays that align them."""
        m = Module()
        parameters = self._parameters
        m.submodules.sequencer = sequencer = Sequencer(parameters)
        m.submodules.activation_memory = memory = ActivationMemory(parameters)
        connect(m, flipped(self.i_command), sequencer.i_command)
        connect(m, sequencer.write, memory.write)
        m.d.comb += [
            sequencer.data_valid.eq(self.i_data.valid),
            self.i_data.ready.eq(sequencer.data_ready),
            memory.data.eq(self.i_data.payload),
            memory.format.eq(sequencer.command.format),
        ]
        beat = Signal(parameters.port_bits)
        m.d.sync += beat.eq(self.i_data.payload)
        self._delay_read(m, sequencer, memory)
        lanes = self._lanes(m, beat, sequencer, memory) if parameters.lane_formats else []
        fp16 = parameters.fp16_format
        baseline = self._fp16_lanes(m, fp16, beat, sequencer, memory) if fp16 else []
        self._accumulate(m, sequencer, lanes, baseline)
        return m

    def _delay_read(self, m: Module, sequencer: Sequencer, memory: ActivationMemory) -> None:
        """Read a block's activations late enough to meet its weights behind the generator."""
        address: Value = sequencer.read.address
        block: Value = sequencer.read.block
        for _ in range(1 + GENERATOR_LATENCY - ActivationMemory.LATENCY):
            next_address, next_block = Signal.like(memory.read.address), Signal.like(memory.read.block)
            m.d.sync += [next_address.eq(address), next_block.eq(block)]
            address, block = next_address, next_block
        m.d.comb += [memory.read.address.eq(address), memory.read.block.eq(block)]

    def _lanes(self, m: Module, beat: Signal, sequencer: Sequencer, memory: ActivationMemory) -> list[Lane]:
        """Lanes of seeds, trellises and palettes; a lane's word lies where its format's words lie."""
        parameters = self._parameters
        formats = parameters.lane_formats
        index = Signal(range(len(formats)))
        for position, weight_format in enumerate(parameters.weight_formats):
            if weight_format in formats:
                with m.If(sequencer.command.format == position):
                    m.d.comb += index.eq(formats.index(weight_format))
        lanes = []
        for i in range(max(parameters.lanes_for(f) for f in formats)):
            lane = Lane(formats, parameters.activation_bits, parameters.batch, parameters.multiplier_bits)
            m.submodules[f"lane_{i}"] = lane
            m.d.comb += lane.format.eq(index)
            for position, lane_format in enumerate(formats):
                word = beat[i * lane_format.word_bits :][: lane_format.word_bits]
                if i < parameters.lanes_for(lane_format):
                    with m.If(index == position):
                        m.d.comb += lane.word.eq(word)
            self._share_activations(m, lane, memory)
            lanes.append(lane)
        if parameters.palette_formats:
            self._share_table(m, beat, sequencer, lanes)
        if lanes[0].keeps_bits:
            self._mark_words(m, sequencer, lanes)
        return lanes

    def _mark_words(self, m: Module, sequencer: Sequencer, lanes: list[Lane]) -> None:
        """Tell all lanes, beside the beat, whether it holds weights and whether rows begin with it."""
        first, valid = Signal(name="word_first"), Signal(name="word_valid")
        m.d.sync += [first.eq(sequencer.weights_first), valid.eq(sequencer.weights_valid)]
        for lane in lanes:
            m.d.comb += [lane.first.eq(first), lane.valid.eq(valid)]

    def _share_table(self, m: Module, beat: Signal, sequencer: Sequencer, lanes: list[Lane]) -> None:
        """The table that a row group starts with, for all lanes."""
        entries = max(palette.table_entries for palette in self._parameters.palette_formats)
        m.submodules.table_memory = memory = TableMemory(entries, self._parameters.port_bits)
        m.d.comb += memory.data.eq(beat)
        m.d.sync += [memory.write.eq(sequencer.table_valid), memory.beat.eq(sequencer.table_beat)]
        for lane in lanes:
            m.d.comb += [mine.eq(entry) for mine, entry in zip(lane.table, memory.table, strict=True)]

    def _fp16_lanes(
        self, m: Module, fp16: Fp16Format, beat: Signal, sequencer: Sequencer, memory: ActivationMemory
    ) -> list[Fp16Lane]:
        """Lanes of the baseline, at rest while a matrix of seeds streams."""
        parameters = self._parameters
        enable = Signal()
        m.d.comb += enable.eq(sequencer.command.format == parameters.weight_formats.index(fp16))
        lanes = []
        for i in range(parameters.lanes_for(fp16)):
            lane = Fp16Lane(fp16, parameters.activation_bits, parameters.batch)
            m.submodules[f"fp16_lane_{i}"] = EnableInserter(enable)(lane)
            m.d.comb += lane.word.eq(beat.word_select(i, fp16.word_bits))
            self._share_activations(m, lane, memory)
            lanes.append(lane)
        return lanes

    def _share_activations(self, m: Module, lane: Lane | Fp16Lane, memory: ActivationMemory) -> None:
        for vector, activations in enumerate(lane.activations):
            for c, activation in enumerate(activations):
                m.d.comb += activation.eq(memory.activations[vector][c])

    def _accumulate(self, m: Module, sequencer: Sequencer, lanes: list[Lane], baseline: list[Fp16Lane]) -> None:
        """Sums of whichever lanes the matrix uses, with the flags that travelled beside them."""
        parameters = self._parameters
        either: list[Lane | Fp16Lane] = [*lanes[:1], *baseline[:1]]
        m.submodules.accumulators = accumulators = Accumulators(parameters, max(lane.sum_bits for lane in either))
        depth = 1 + max(lane.latency for lane in either)
        valid, last = Signal(depth), Signal(depth)
        m.d.sync += [
            valid.eq(valid << 1 | sequencer.weights_valid),
            last.eq(last << 1 | sequencer.weights_last),
        ]
        fp16: Value = Signal()
        if lanes and baseline:
            fp16 = sequencer.command.format == parameters.formats.index("fp16")
        elif baseline:
            fp16 = ~fp16
        taps = [valid[lane.latency] for lane in either], [last[lane.latency] for lane in either]
        m.d.comb += [
            accumulators.format.eq(sequencer.command.format),
            accumulators.vectors.eq(sequencer.command.vectors),
            accumulators.valid.eq(Mux(fp16, taps[0][-1], taps[0][0])),
            accumulators.last.eq(Mux(fp16, taps[1][-1], taps[1][0])),
            accumulators.reserve.eq(sequencer.weights_valid & sequencer.weights_last),
            sequencer.slot_free.eq(accumulators.slot_free),
            sequencer.idle.eq(accumulators.idle),
        ]
        for i, sums in enumerate(accumulators.sums):
            for vector, total in enumerate(sums):
                seed = lanes[i].sums[vector] if i < len(lanes) else None
                plain = baseline[i].sums[vector] if i < len(baseline) else None
                if seed is not None and plain is not None:
                    m.d.comb += total.eq(Mux(fp16, plain, seed))
                else:
                    m.d.comb += total.eq(seed if plain is None else plain)
        connect(m, accumulators.o, flipped(self.o_results))
