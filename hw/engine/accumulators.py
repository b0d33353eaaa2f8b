"""Accumulators: one per lane and vector, and the queue through which finished rows leave."""

from amaranth.hdl import Array, Cat, Const, Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from formats.engine import RESULT_BITS, RESULT_SLOTS, EngineParameters


class Accumulators(wiring.Component):
    """Adds a row group's sums and hands over the totals.

    Sums arrive one block a cycle for all lanes. With the last block of a row group the totals enter
    a queue of ``RESULT_SLOTS`` row groups and the accumulators start afresh, so read-out overlaps with the
    next groups. A slot is reserved before a group's last block enters the lanes, so the pipeline
    never has to stop.

    Results leave vector by vector, lanes in order, ``results_per_beat`` at a time, sign-extended to
    ``RESULT_BITS``; the last beat of a vector is padded when lanes do not fill it.

    Parameters
    ----------
    parameters
        The engine's size.
    sum_bits
        Signed bits of a block's sum.

    Members
    -------
    format, vectors : In
        Fields of the command being executed.
    sums : In(signed(sum_bits)).array(lanes, batch)
    valid, last : In(1), In(1)
        ``sums`` holds a block's sums; the row group's last.
    reserve : In(1)
        A row group's last block enters the lanes; asserted only while ``slot_free``.
    slot_free : Out(1)
    idle : Out(1)
        No reserved group is left.
    o : Out(stream.Signature(ArrayLayout(signed(64), results_per_beat)))
    """

    def __init__(self, parameters: EngineParameters, sum_bits: int) -> None:
        self._parameters = parameters
        self._lanes = max(parameters.lanes_for(f) for f in parameters.weight_formats)
        results = data.ArrayLayout(signed(RESULT_BITS), parameters.results_per_beat)
        super().__init__(
            {
                "format": In(range(len(parameters.formats))),
                "vectors": In(range(parameters.batch)),
                "sums": In(signed(sum_bits)).array(self._lanes, parameters.batch),
                "valid": In(1),
                "last": In(1),
                "reserve": In(1),
                "slot_free": Out(1),
                "idle": Out(1),
                "o": Out(stream.Signature(results)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Accumulate, queue, read out, count slots."""
        m = Module()
        bits = self._parameters.accumulator_bits
        totals = []
        for vector in range(self._parameters.batch):
            for lane in range(self._lanes):
                # bound: EngineParameters.accumulator_bits, the largest row of the widest format
                accumulator = Signal(signed(bits), name=f"accumulator_{vector}_{lane}")
                total = Signal(signed(bits), name=f"total_{vector}_{lane}")
                m.d.comb += total.eq(accumulator + self.sums[lane][vector])
                with m.If(self.valid & self.last):
                    m.d.sync += accumulator.eq(0)
                with m.Elif(self.valid):
                    m.d.sync += accumulator.eq(total)
                totals.append(total)
        m.submodules.queue = queue = SyncFIFOBuffered(width=bits * len(totals), depth=RESULT_SLOTS)
        m.d.comb += [queue.w_data.eq(Cat(totals)), queue.w_en.eq(self.valid & self.last)]
        leaving = self._read_out(m, queue)
        used = Signal(range(RESULT_SLOTS + 1))
        m.d.sync += used.eq(used + self.reserve - leaving)
        m.d.comb += [self.slot_free.eq(used != RESULT_SLOTS), self.idle.eq(used == 0)]
        return m

    def _read_out(self, m: Module, queue: SyncFIFOBuffered) -> Signal:
        """Results of the queue's head, beat by beat; returns the strobe of a group's last beat."""
        parameters, bits = self._parameters, self._parameters.accumulator_bits
        per_beat = parameters.results_per_beat
        beats = -(-self._lanes // per_beat)
        last_beats = Array(parameters.result_beats(f) - 1 for f in parameters.weight_formats)
        vector = Signal.like(self.vectors)
        beat = Signal(range(beats))
        leaving = Signal()
        index = vector * beats + beat
        for result in range(per_beat):
            choices = []
            for group in range(parameters.batch * beats):
                lane = group % beats * per_beat + result
                first = (group // beats * self._lanes + lane) * bits
                choices.append(queue.r_data[first:][:bits] if lane < self._lanes else Const(0, bits))
            m.d.comb += self.o.payload[result].eq(Array(choices)[index].as_signed())
        m.d.comb += [self.o.valid.eq(queue.r_rdy), queue.r_en.eq(leaving)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += beat.eq(beat + 1)
            with m.If(beat == last_beats[self.format]):
                m.d.sync += [beat.eq(0), vector.eq(vector + 1)]
                with m.If(vector == self.vectors):
                    m.d.sync += vector.eq(0)
                    m.d.comb += leaving.eq(1)
        return leaving
