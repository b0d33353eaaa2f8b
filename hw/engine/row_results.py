"""Row results: an engine's results one row after the other, what pads their beats left out."""

from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from formats.engine import RESULT_BITS, EngineParameters


def row_layout(parameters: EngineParameters) -> data.StructLayout:
    """A row's ``sum``, and whether it is the ``last``."""
    return data.StructLayout({"sum": signed(parameters.accumulator_bits), "last": 1})


class RowResults(wiring.Component):
    """Takes the results of one vector; a row leaves in the cycle in which its beat is there.

    Padding takes no cycle of its own.

    Parameters
    ----------
    parameters
        Of the engine.

    Members
    -------
    start : In(1)
        Results of another product follow; only when those of the last have been taken.
    format, rows : In(range(formats)), In(range(maximum_rows + 1))
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
        rows_left = Signal.like(self.rows)
        lane, place = Signal(range(max(lanes))), Signal(range(per_beat))
        taken, last, beat_done, group_done = (Signal() for _ in range(4))
        m.d.comb += [
            self.busy.eq(rows_left != 0),
            self.o.valid.eq(self.i.valid & self.busy),
            self.o.payload.sum.eq(Array(self.i.payload[index] for index in range(per_beat))[place]),
            self.o.payload.last.eq(last),
            taken.eq(self.o.valid & self.o.ready),
            last.eq(rows_left == 1),
            group_done.eq(lane == last_lane),
            beat_done.eq(group_done | last | (place == per_beat - 1)),
            # beats past the last row are padding
            self.i.ready.eq(~self.busy | (taken & beat_done)),
        ]
        with m.If(self.start):
            m.d.sync += [format_.eq(self.format), rows_left.eq(self.rows), lane.eq(0), place.eq(0)]
        with m.Elif(taken):
            m.d.sync += [
                rows_left.eq(rows_left - 1),
                lane.eq(Mux(group_done, 0, lane + 1)),
                place.eq(Mux(beat_done, 0, place + 1)),
            ]
        return m
