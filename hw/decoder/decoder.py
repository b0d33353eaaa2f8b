"""Decoder: embeddings of tokens in, the likeliest next tokens out, by a program in the memory."""

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from formats.board_requests import BEST, REQUESTS, Opcode, Status
from hw.board.parameters import BoardParameters
from hw.board.work import count_cycles, work_members
from hw.decoder.machine import Leaves, Loads, Machine, Read, Side, Writer
from hw.decoder.row_scale import SCALE_BITS
from hw.decoder.steps.attention import attend_states, store_states
from hw.decoder.steps.begin import begin_states, fetch_states
from hw.decoder.steps.products import product_states
from hw.decoder.steps.vectors import add_states, gate_states, normalise_states, rotate_states
from hw.memory.words import reading_layout

ROW = ("sum", "vector", "lane")
"""What goes with a sum to its scale."""


class Decoder(wiring.Component):
    """Does a TOKEN: reads the program, command by command, and gives its units what each needs.

    A TOKEN has up to ``batch`` tokens, which follow each other in a text. Every command is done for one of them after
    the other, but a product for all together: its weights are read once. An answer is given to the last token.

    Equal to ``golden_models.integer_decoder.execution``. A program must be sound: its addresses are not looked at, but
    for a matrix's. What is checked is its version, its opcodes, the context, and the shape of a matrix.

    Parameters
    ----------
    parameters
        Of a board with a decoder.

    Members
    -------
    As ``work_members`` has them; the arguments are those of a TOKEN. And:

    side_reading, i_side : Out(stream.Signature(reading_layout(...))), In(stream.Signature(32))
        To the memory's side, and what it reads.
    best : Out(range(BEST + 1))
        How many tokens the answer has.
    o_best : Out(stream.Signature(32))
        The answer behind ``done``: each token and its key, the likeliest first.
    """

    def __init__(self, parameters: BoardParameters) -> None:
        self._parameters = parameters
        engine, memory = parameters.engine, parameters.memory
        side = reading_layout(memory, engine.port_bytes, parameters.side_bits)
        super().__init__(
            {
                **work_members(parameters),
                "side_reading": Out(stream.Signature(side)),
                "i_side": In(stream.Signature(max(parameters.side_bits))),
                "best": Out(range(BEST + 1)),
                "o_best": Out(stream.Signature(32)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The units, what joins them, and a state a step of a command."""
        m = Module()
        names = [field.name for field in REQUESTS[Opcode.TOKEN].arguments]
        arguments: dict[str, Value] = {name: self.arguments[place] for place, name in enumerate(names)}
        writer = Writer(self.write_start, self.write_address, self.write_flush, self.write_empty)
        machine = Machine(self._parameters, arguments, writer)
        for name in (
            *("vector", "slots", "attention", "plan", "engine", "engine_words", "engine_commands"),
            *("rows", "sums", "scales", "row_scale", "keys"),
            *("packer", "written", "readings", "side_readings"),
        ):
            m.submodules[name] = getattr(machine, name)
        connect(m, machine.slots.o, machine.vector.command)
        connect(m, machine.engine_words.o, machine.engine.i_data)
        connect(m, machine.engine_commands.o, machine.engine.i_command)
        connect(m, machine.readings.o, flipped(self.reading))
        connect(m, machine.side_readings.o, flipped(self.side_reading))
        connect(m, machine.written.o, flipped(self.o))
        self._read(m, machine)
        self._load(m, machine)
        self._leave(m, machine)
        self._scale_rows(m, machine)
        begins = Signal()  # a cycle late, as much comes before ``start``
        m.d.sync += [
            begins.eq(self.start),
            machine.product.eq(machine.factors[0] * machine.factors[1]),
            machine.program.eq(machine.program + machine.step),
            machine.step.eq(0),
        ]
        m.d.comb += [
            self.status.eq(machine.status),
            self.best.eq(machine.keys.kept),
            machine.keys.wanted.eq(arguments["best"]),
            machine.slots.within.eq(machine.within),
            machine.slots.vector.eq(machine.token),
        ]
        connect(m, machine.keys.o, flipped(self.o_best))
        tokens, bits = arguments["tokens"], machine.batch.bit_length()
        in_batch = Array(Const(1 <= number <= machine.batch, 1) for number in range(1 << bits))
        with m.FSM() as states:
            with m.State("IDLE"):
                machine.first_token(m)
                m.d.sync += [
                    machine.program.eq(machine.beat(arguments["program"])),
                    machine.embedding.eq(machine.beat(arguments["embeddings"])),
                    machine.last_token.eq(tokens - 1),
                ]
                with m.If(begins):
                    m.next = "FETCH"
                    with m.If(
                        (arguments["best"] > BEST)
                        | (arguments["row"] > arguments["position"])
                        | tokens[bits:].any()
                        | ~in_batch[tokens[:bits]]
                    ):
                        m.d.sync += machine.status.eq(Status.BAD_ARGUMENT)
                        m.next = "DONE"
                    with m.If((arguments["program"] | arguments["embeddings"])[:2] != 0):
                        m.d.sync += machine.status.eq(Status.BAD_ADDRESS)
                        m.next = "DONE"
            for states_of in (
                fetch_states,
                begin_states,
                normalise_states,
                add_states,
                rotate_states,
                gate_states,
                product_states,
                store_states,
                attend_states,
            ):
                states_of(m, machine)
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.next = "IDLE"
        m.d.comb += self.active.eq(~states.ongoing("IDLE") | self.start | begins)
        count_cycles(m, self)
        return m

    def _read(self, m: Module, machine: Machine) -> None:
        """What is read goes to whom it was read for; in the states of a product the engine has activations first."""
        vector, attention, engine_words = machine.vector, machine.attention, machine.engine_words.i
        program, scales = machine.program_words, machine.scales.i
        exponents, side = attention.i_exponents, self.i_side
        for_engine, for_attention = machine.read_for == Read.ENGINE, machine.read_for == Read.ATTENTION
        for_program, for_vector = machine.read_for == Read.PROGRAM, machine.read_for == Read.VECTOR
        m.d.comb += [
            program.valid.eq(self.i.valid & for_program),
            program.payload.eq(self.i.payload),
            engine_words.valid.eq(self.i.valid & for_engine),
            engine_words.payload.eq(self.i.payload),
            attention.i.valid.eq(self.i.valid & for_attention),
            attention.i.payload.eq(self.i.payload),
            self.i.ready.eq(
                (program.ready & for_program)
                | (engine_words.ready & for_engine)
                | (attention.i.ready & for_attention)
                | (vector.i.ready & for_vector)
            ),
            scales.valid.eq(side.valid & (machine.side_for == Side.ROW_SCALE)),
            scales.payload.eq(side.payload),
            exponents.valid.eq(side.valid & (machine.side_for == Side.ATTENTION)),
            exponents.payload.key.eq(side.payload[:16]),
            exponents.payload.value.eq(side.payload[16:]),
            side.ready.eq(Mux(machine.side_for == Side.ROW_SCALE, scales.ready, exponents.ready)),
        ]

    def _load(self, m: Module, machine: Machine) -> None:
        """Words into the vector unit."""
        vector, attention, row_scale = machine.vector, machine.attention, machine.row_scale
        from_memory = self.i.valid & (machine.read_for == Read.VECTOR)
        with m.Switch(machine.loads):
            with m.Case(Loads.MEMORY):
                m.d.comb += [vector.i.valid.eq(from_memory), vector.i.payload.eq(self.i.payload)]
            with m.Case(Loads.ROW_SCALE):
                m.d.comb += [
                    vector.i.valid.eq(row_scale.o.valid & ~machine.answers),
                    vector.i.payload.eq(row_scale.o.payload),
                    vector.i_vector.eq(row_scale.o_vector),
                ]
            with m.Case(Loads.ATTENTION):
                m.d.comb += [vector.i.valid.eq(attention.o.valid), vector.i.payload.eq(attention.o.payload)]
                m.d.comb += attention.o.ready.eq(vector.i.ready)

    def _leave(self, m: Module, machine: Machine) -> None:
        """Vectors out of the vector unit: queries, or elements that are packed for the engine or the memory."""
        vector, packer, queries = machine.vector, machine.packer, machine.attention.i_queries
        m.d.comb += [
            queries.payload.mantissa.eq(vector.o.payload),
            queries.payload.exponent.eq(vector.o_exponent),
            packer.i.payload.eq(vector.o.payload),
            machine.written.i.payload.eq(packer.o.payload),
        ]
        with m.If(vector.o.valid & vector.o.ready):
            m.d.sync += [
                machine.columns_left.eq(machine.columns_left - 1),
                machine.pads.eq(machine.columns_left == 1),
            ]
        with m.If(packer.o.valid & packer.o.ready):
            m.d.sync += [machine.beats_left.eq(machine.beats_left - 1), machine.last_beat.eq(machine.beats_left == 1)]
        with m.Switch(machine.leaves):
            with m.Case(Leaves.ENGINE):
                m.d.comb += [
                    packer.wide.eq(1),
                    packer.i.valid.eq(Mux(machine.pads, ~(packer.o.valid & machine.last_beat), vector.o.valid)),
                    packer.i.payload.eq(Mux(machine.pads, 0, vector.o.payload)),
                    vector.o.ready.eq(packer.i.ready & ~machine.pads),
                    machine.engine_words.i.valid.eq(packer.o.valid),
                    machine.engine_words.i.payload.eq(packer.o.payload),
                    packer.o.ready.eq(machine.engine_words.i.ready),
                ]
            with m.Case(Leaves.WRITER):
                m.d.comb += [
                    packer.wide.eq(machine.wide),
                    packer.i.valid.eq(vector.o.valid),
                    vector.o.ready.eq(packer.i.ready),
                    machine.written.i.valid.eq(packer.o.valid),
                    packer.o.ready.eq(machine.written.i.ready),
                ]
            with m.Case(Leaves.ATTENTION):
                m.d.comb += [queries.valid.eq(vector.o.valid), vector.o.ready.eq(queries.ready)]

    def _scale_rows(self, m: Module, machine: Machine) -> None:
        """Results of the engine, one row after the other, times their scales: a vector's elements, or keys."""
        rows, row_scale, keys, vector = machine.rows, machine.row_scale, machine.keys, machine.vector
        connect(m, machine.engine.o_results, rows.i)
        self._share_scales(m, machine)
        to_vector = vector.i.ready & (machine.loads == Loads.ROW_SCALE)
        m.d.comb += [
            row_scale.exponent.eq(machine.exponent),
            machine.sums.i.valid.eq(rows.o.valid),
            *(getattr(machine.sums.i.payload, name).eq(getattr(rows.o.payload, name)) for name in ROW),
            row_scale.i_sums.valid.eq(machine.sums.o.valid),
            row_scale.i_sums.payload.eq(machine.sums.o.payload.sum),
            row_scale.i_vector.eq(machine.sums.o.payload.vector),
            machine.sums.o.ready.eq(row_scale.i_sums.ready),
            rows.o.ready.eq(machine.sums.i.ready),
            keys.i.valid.eq(row_scale.o.valid & machine.answers),
            keys.i.payload.eq(row_scale.o.payload),
            row_scale.o.ready.eq(Mux(machine.answers, keys.i.ready, to_vector)),
        ]

    def _share_scales(self, m: Module, machine: Machine) -> None:
        """A row's scale for the first vector's sum, and again for that of each further vector."""
        scales, taken, row = machine.scales.o, machine.row_scale.i_scales, machine.sums.o.payload
        if machine.batch == 1:
            connect(m, scales, taken)
            return
        kept, first = Array(Signal(SCALE_BITS, name=f"scale_{i}") for i in range(1 << len(row.lane))), Signal()
        m.d.comb += [
            first.eq(row.vector == 0),
            taken.valid.eq(scales.valid | ~first),
            taken.payload.eq(Mux(first, scales.payload, kept[row.lane])),
            scales.ready.eq(taken.ready & first),
        ]
        with m.If(scales.valid & scales.ready):
            m.d.sync += kept[row.lane].eq(scales.payload)
