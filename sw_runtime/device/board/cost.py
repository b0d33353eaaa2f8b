"""What a product costs on a board, without simulating it.

Everything waits for the memory, or for the lanes where these take words more slowly. Each word takes the memory for the
same time; a page that is opened, a change between reading and writing, and a refresh leave it idle for a known time.
When a refresh comes depends on what went before, so no model of one product alone is exact. How far simulated cycles
may lie from it is what ``most_error`` says.
"""

from math import ceil

from formats.engine import RESULT_SLOTS
from formats.weight_format import WeightFormat
from hw.board.parameters import BoardParameters
from hw.board.plan import RESULT_WORDS, plan_cycles
from hw.memory.chips import Sdram
from hw.memory.kinds import MemoryKind
from hw.memory.writer import BURST_WORDS
from sw_runtime.device.cost import QUEUE_LATENCY
from sw_runtime.device.layout import stored_bytes
from sw_runtime.device.protocol import Counters, MatrixShape

STEPS = 48
"""Cycles of a product beside its plan, its words and the lanes: readings begun, the first datum, the last run."""

TURN = 50
"""Cycles from the last result of a run to the next word that is read, at a DDR3 chip."""


def board_cost(board: BoardParameters, weight_format: WeightFormat, rows: int, columns: int, vectors: int) -> Counters:
    """Counters of one pass over a matrix [rows, columns] with ``vectors`` activation vectors."""
    engine, memory = board.engine, board.memory
    activations = vectors * engine.activation_beats(weight_format, columns)
    weight_bytes = stored_bytes(MatrixShape(weight_format.name, rows, columns), engine)
    groups = engine.row_groups(weight_format, rows)
    results = RESULT_WORDS * groups * vectors * engine.result_beats(weight_format)
    parts = 8 * engine.port_bytes // memory.data_bits
    # a row group's results must have left before the group that takes its slot ends
    slot = engine.lane_latency(weight_format) + QUEUE_LATENCY + results // groups
    reads = parts * (activations + max(weight_bytes // engine.port_bytes, groups * slot // (RESULT_SLOTS * parts)))
    moved = reads + parts * results
    beats = engine.weight_beats(weight_format, rows, columns)
    # lanes that wait for words while results are written have at first those that the port read ahead
    ahead = memory.reads_ahead * engine.port_bits // engine.beat_bits(weight_format) - TURN
    lanes = activations + beats + results - ahead * (results // BURST_WORDS)
    busy = max(moved + _idle(memory, moved, results), lanes)
    arguments = {
        "format": engine.weight_formats.index(weight_format),
        "column_blocks": weight_format.blocks(columns),
        "vectors": vectors,
    }
    fixed = plan_cycles(board, arguments) + engine.lane_latency(weight_format) + STEPS
    return Counters(
        cycles=fixed + round(busy),
        port_busy_cycles=activations + beats,
        weight_bytes=weight_bytes,
        activation_bytes=activations * engine.port_bytes,
        result_bytes=8 * vectors * rows,
    )


def most_error(cycles: int, column_blocks: int) -> float:
    """Most by which simulated cycles differ; more where rows are so short that results hold up the weights."""
    return 40 + cycles * (0.15 if column_blocks < RESULT_SLOTS else 0.005)


def _idle(memory: MemoryKind, beats: int, results: int) -> float:
    """Cycles in which the memory rests: pages opened, runs of results between reads, refreshes.

    A DDR3 chip moves two beats per cycle and has caught up before the port's own beats are used up.
    """
    if not isinstance(memory, Sdram):
        return 0
    timing, page = memory.timing, 1 << memory.chip.column_bits
    opening = timing.t_rp + timing.t_rcd
    runs = ceil(results / BURST_WORDS) - 1  # the last run has no reads behind it
    rests = beats / page * opening + runs * (2 * opening + timing.t_wr)
    share = (timing.t_rp + timing.t_rfc + timing.t_rcd) / timing.refresh
    return rests + (beats + rests) * share / (1 - share)
