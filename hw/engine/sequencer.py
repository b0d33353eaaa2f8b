"""Sequencer: one command a matrix-vector product, told apart into beats of activations and weights."""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from formats.engine import EngineParameters
from hw.engine.activation_memory import ActivationRead, ActivationWrite


def command_layout(parameters: EngineParameters) -> data.StructLayout:
    """What starts a product.

    ``format``: position in ``parameters.formats``. ``column_blocks``: column blocks less one.
    ``row_groups``: row groups less one. ``vectors``: vectors less one.
    """
    blocks = max(f.blocks(parameters.maximum_columns) for f in parameters.weight_formats)
    groups = max(parameters.row_groups(f, parameters.maximum_rows) for f in parameters.weight_formats)
    return data.StructLayout(
        {
            "format": range(len(parameters.formats)),
            "column_blocks": range(blocks),
            "row_groups": range(groups),
            "vectors": range(parameters.batch),
        }
    )


class Sequencer(wiring.Component):
    """Counts a command's beats: first every vector's activations, then the weights row group by row group.

    A beat of weights per cycle, without gaps between row groups, as long as the accumulators have a
    slot for the group's results. ``data_ready`` does not depend on ``data_valid``. The next command
    is taken when all results of the last have left.

    Parameters
    ----------
    parameters
        The engine's size.

    Members
    -------
    i_command : In(stream.Signature(command_layout))
    data_valid, data_ready : In(1), Out(1)
        Handshake of the memory port.
    slot_free, idle : In(1), In(1)
        The accumulators can take another row group; no group is under way.
    command : Out(command_layout)
        The command being executed.
    write : Out(ActivationWrite)
        Where the beat now taken goes.
    read : Out(ActivationRead)
        Column block of the weights now taken.
    weights_valid, weights_first, weights_last : Out(1), Out(1), Out(1)
        A beat of weights is taken; it begins its row group; it ends it.
    table_valid, table_beat : Out(1), Out(range(table_blocks))
        The beat is part of a palette's table, and which; only where the engine holds palettes.
    """

    def __init__(self, parameters: EngineParameters) -> None:
        self._parameters = parameters
        layout = command_layout(parameters)
        table_blocks = parameters.maximum_table_blocks
        tables = {"table_valid": Out(1), "table_beat": Out(range(table_blocks))} if table_blocks else {}
        super().__init__(
            {
                "i_command": In(stream.Signature(layout)),
                "data_valid": In(1),
                "data_ready": Out(1),
                "slot_free": In(1),
                "idle": In(1),
                "command": Out(layout),
                "write": Out(ActivationWrite(parameters)),
                "read": Out(ActivationRead(parameters)),
                "weights_valid": Out(1),
                "weights_first": Out(1),
                "weights_last": Out(1),
                **tables,
            }
        )

    def elaborate(self, platform: object) -> Module:
        """One state a kind of beat."""
        m = Module()
        parameters, formats = self._parameters, self._parameters.weight_formats
        table_blocks = parameters.maximum_table_blocks
        blocks_per_word = Array(parameters.blocks_per_activation_word(f) for f in formats)[self.command.format]
        beats_per_word = Array(parameters.beats_per_activation_word(f) for f in formats)[self.command.format]
        block = Signal.like(self.command.column_blocks)
        group = Signal.like(self.command.row_groups)
        # registers: many paths begin with the last block
        last_block, before_last = Signal(), Signal.like(block)
        last_beat = Signal()
        last_word = Signal()
        only_block = self.command.column_blocks == 0
        m.d.comb += [
            last_beat.eq(self.write.beat == beats_per_word - 1),
            last_word.eq(block + blocks_per_word > self.command.column_blocks),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i_command.ready.eq(self.idle)
                with m.If(self.i_command.valid & self.idle):
                    m.d.sync += self.command.eq(self.i_command.payload)
                    m.next = "ACTIVATIONS"
            with m.State("ACTIVATIONS"):
                m.d.comb += [self.data_ready.eq(1), self.write.enable.eq(self.data_valid)]
                m.d.sync += [last_block.eq(only_block), before_last.eq(self.command.column_blocks - 1)]
                with m.If(self.data_valid):
                    m.d.sync += self.write.beat.eq(self.write.beat + 1)
                    with m.If(last_beat):
                        m.d.sync += [
                            self.write.beat.eq(0),
                            self.write.address.eq(self.write.address + 1),
                            block.eq(block + blocks_per_word),
                        ]
                        with m.If(last_word):
                            m.d.sync += [self.write.address.eq(0), block.eq(0)]
                            m.d.sync += self.write.vector.eq(self.write.vector + 1)
                            with m.If(self.write.vector == self.command.vectors):
                                m.d.sync += self.write.vector.eq(0)
                                m.next = "WEIGHTS"
            with m.State("WEIGHTS"):
                m.d.comb += [
                    self.data_ready.eq(self.slot_free | ~last_block),
                    self.weights_valid.eq(self.data_valid & self.data_ready),
                    self.weights_first.eq(block == 0),
                    self.weights_last.eq(last_block),
                ]
                if table_blocks:  # other formats' beats pass for a table too, which their weights never meet
                    m.d.comb += [
                        self.table_valid.eq(self.weights_valid & (block < table_blocks)),
                        self.table_beat.eq(block),
                    ]
                with m.If(self.weights_valid):
                    m.d.sync += [block.eq(block + 1), self.read.block.eq(self.read.block + 1)]
                    m.d.sync += last_block.eq(Mux(last_block, only_block, block == before_last))
                    with m.If(self.read.block == blocks_per_word - 1):
                        m.d.sync += [self.read.block.eq(0), self.read.address.eq(self.read.address + 1)]
                    with m.If(last_block):
                        m.d.sync += [block.eq(0), self.read.block.eq(0), self.read.address.eq(0)]
                        m.d.sync += group.eq(group + 1)
                        with m.If(group == self.command.row_groups):
                            m.d.sync += group.eq(0)
                            m.next = "IDLE"
        return m
