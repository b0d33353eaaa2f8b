"""Row results: an engine's results one row after the other, what pads their beats left out."""

from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from formats.engine import RESULT_BITS, EngineParameters


def row_layout(parameters: EngineParameters) -> data.StructLayout:
    """A row's ``sum``, whether it is the ``last``, and of which ``vector`` and ``lane`` it is."""
    lanes = max(map(parameters.lanes_for, parameters.weight_formats))
    return data.StructLayout(
        {
            "sum": signed(parameters.accumulator_bits),
            "last": 1,
            "vector": range(parameters.batch),
            "lane": range(lanes),
        }
    )


class RowResults(wiring.Component):
    """Takes the results of a product; a row leaves in the cycle in which its beat is there.

    Rows leave as the engine hands them over: those of a row group vector by vector. Padding takes no cycle of its own,
    but for a beat between two vectors that holds nothing else.

    Parameters
    ----------
    parameters
        Of the engine.

    Members
    -------
    start : In(1)
        Results of another product follow; only when those of the last have been taken.
    format, vectors, rows : In(range(formats)), In(range(batch)), In(range(maximum_rows + 1))
        As in the product's command, and rows of the matrix; read with ``start``.
    busy : Out(1)
        Rows are still to come; rises in the cycle after ``start``.
    i : In(stream.Signature(ArrayLayout(signed(64), results_per_beat)))
    o : Out(stream.Signature(row_layout(parameters)))
    """

    def __init__(self, parameters: EngineParameters) -> None:
        self._parameters = parameters
        results = data.ArrayLayout(signed(RESULT_BITS), parameters.results_per_beat)
        super().__init__(
            {
                "start": In(1),
                "format": In(range(len(parameters.formats))),
                "vectors": In(range(parameters.batch)),
                "rows": In(range(parameters.maximum_rows + 1)),
                "busy": Out(1),
                "i": In(stream.Signature(results)),
                "o": Out(stream.Signature(row_layout(parameters))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Choose one result after the other out of each beat."""
        m = Module()
        parameters = self._parameters
        per_beat = parameters.results_per_beat
        lanes = [parameters.lanes_for(weight_format) for weight_format in parameters.weight_formats]
        format_ = Signal.like(self.format)
        last_lane = Array(count - 1 for count in lanes)[format_]
        rows_left, group_rows_left = Signal.like(self.rows), Signal.like(self.rows)
        lane, place = Signal(range(max(lanes))), Signal(range(per_beat))
        vectors, vector, pads = Signal.like(self.vectors), Signal.like(self.vectors), Signal()
        taken, last, beat_done, group_done, last_vector = (Signal() for _ in range(5))
        m.d.comb += [
            self.busy.eq(rows_left != 0),
            self.o.valid.eq(self.i.valid & self.busy & ~pads),
            self.o.payload.sum.eq(Array(self.i.payload[index] for index in range(per_beat))[place]),
            self.o.payload.last.eq(last & last_vector),
            self.o.payload.vector.eq(vector),
            self.o.payload.lane.eq(lane),
            taken.eq(self.i.valid & self.busy & (self.o.ready | pads)),
            last.eq(rows_left == 1),
            last_vector.eq(vector == vectors),
            group_done.eq(lane == last_lane),
            beat_done.eq(group_done | (last & last_vector) | (place == per_beat - 1)),
            # beats past the last row are padding
            self.i.ready.eq(~self.busy | (taken & beat_done)),
        ]
        with m.If(self.start):
            m.d.sync += [
                format_.eq(self.format),
                rows_left.eq(self.rows),
                group_rows_left.eq(self.rows),
                vectors.eq(self.vectors),
                lane.eq(0),
                place.eq(0),
                vector.eq(0),
                pads.eq(0),
            ]
        with m.Elif(taken):
            # behind the last row of a vector that another follows, the row stays the last: what is left is padding
            ends = last & ~last_vector
            m.d.sync += [
                rows_left.eq(rows_left - ~ends),
                pads.eq(ends),
                lane.eq(Mux(group_done, 0, lane + 1)),
                place.eq(Mux(beat_done, 0, place + 1)),
            ]
            with m.If(group_done):
                m.d.sync += [vector.eq(vector + 1), rows_left.eq(group_rows_left), pads.eq(0)]
            with m.If(last_vector & (group_done | last)):
                m.d.sync += [vector.eq(0), rows_left.eq(rows_left - 1), group_rows_left.eq(rows_left - 1)]
        return m
