"""What a token costs on a board, derived from the commands of its program; no board was touched.

Cycles are those that the units of ``hw.decoder`` and ``hw.engine`` take; the sequencer's own are left out.
Nothing of one command overlaps the next, and of a command nothing but the memory with the unit that takes its words.
"""

from dataclasses import dataclass

from formats.board_requests import WORD_BYTES
from formats.decoder.program import (
    Add,
    AddConstant,
    Answer,
    Attend,
    Command,
    Gate,
    MatrixPlace,
    Multiply,
    Normalise,
    Program,
    Rotate,
    Store,
)
from formats.engine import EngineParameters
from hw.board.boards import BoardMemory
from sw_runtime.decoder.image.memory_map import (
    EXPONENTS_BYTES,
    SCALE_BYTES,
    constant_bytes,
    embedding_bytes,
    matrix_bytes,
    program_engine,
    program_words,
    rotary_bytes,
)

PART_CYCLES = 26
"""Most cycles of a part of a vector beside its elements."""

ROOT_CYCLES = 112
"""Of the root between the two passes of a norm."""

SHARE_CYCLES = 12
"""A row of keys or values takes so many cycles more than there are queries, where it has fewer beats."""

MEAN_CYCLES = 52
"""Most cycles of a query's attention beside the elements of query and mean."""

ANSWER_BYTES = 2 * WORD_BYTES
"""Of a token and its key over the link."""


OfToken = Normalise | Add | AddConstant | Rotate | Store | Attend | Gate
"""What is done for each of the tokens that are taken together."""


@dataclass(frozen=True)
class Cost:
    """Of a command.

    Parameters
    ----------
    memory_bytes
        Read and written.
    beside
        Cycles that go by while the memory moves them.
    alone
        Cycles in which the memory rests.
    """

    memory_bytes: int = 0
    beside: int = 0
    alone: int = 0


def command_cost(
    command: Command, length: int, program: Program, engine: EngineParameters, seen: int, tokens: int = 1
) -> Cost:
    """Cost of a command that makes ``length`` elements; ``seen`` positions are cached, the token's own included.

    Several tokens that are taken together share a product's weights. All else is done for each, but the answer, which
    is the last one's.
    """
    match command:
        case Answer():
            return _product(command.matrix, engine, vectors=1)
        case Multiply():
            return _product(command.matrix, engine, vectors=tokens)
    cost = _token_cost(command, length, program, engine, seen)
    return Cost(tokens * cost.memory_bytes, tokens * cost.beside, tokens * cost.alone)


def _token_cost(command: OfToken, length: int, program: Program, engine: EngineParameters, seen: int) -> Cost:
    """Cost of a command without a matrix, for one token."""
    match command:
        case Normalise():  # squares, root, and the weighted vector; the weights come again for every part
            part = PART_CYCLES * command.heads
            around = 2 * (length + part) if command.heads > 1 else 0  # split, joined
            alone = length + ROOT_CYCLES * command.heads + around
            return Cost(command.heads * constant_bytes(command), length + part, alone)
        case Add():
            return Cost(alone=2 * length + PART_CYCLES)
        case AddConstant():  # loaded, and added
            return Cost(constant_bytes(command), length + PART_CYCLES, 2 * length + PART_CYCLES)
        case Rotate():  # split, turned by two multiplications an element, perhaps scaled, joined
            passes, part = 2 + (command.scale is not None), PART_CYCLES * command.heads
            rows = command.heads * rotary_bytes(program.rotary[command.rows])
            return Cost(rows, 2 * length + part, passes * (length + part))
        case Store():  # keys and values are split and handed over
            moved = 2 * length * program.kv_bits // 8 + EXPONENTS_BYTES * command.heads
            cycles = 2 * (length + PART_CYCLES * command.heads)
            return Cost(moved, cycles, cycles)
        case Attend():
            return _attention(command, length, program.kv_bits, engine.port_bytes, seen)
        case Gate():  # activation, and the product by two multiplications an element
            return Cost(alone=3 * length + 2 * PART_CYCLES)


def _product(place: MatrixPlace, engine: EngineParameters, vectors: int) -> Cost:
    """The vectors into the engine, then the beats; a sum times its row's scale per cycle."""
    weight_format = engine.weight_formats[engine.formats.index(place.format)]
    beats = engine.weight_beats(weight_format, place.rows, place.columns)
    latency = engine.lane_latency(weight_format) + PART_CYCLES
    moved = matrix_bytes(place, engine) + SCALE_BYTES * place.rows
    return Cost(moved, max(beats, vectors * place.rows) + latency, vectors * (place.columns + PART_CYCLES))


def _attention(command: Attend, length: int, kv_bits: int, port_bytes: int, seen: int) -> Cost:
    """Head by head the rows of keys, then of values. Queries are split and read, means loaded and joined."""
    rows = 2 * min(seen, command.window or seen) * command.kv_heads
    row_bytes = length // command.heads * kv_bits // 8
    cycles = max(row_bytes // port_bytes, command.heads // command.kv_heads + SHARE_CYCLES)
    around = 2 * (length + PART_CYCLES * command.heads) + 3 * length + MEAN_CYCLES * command.heads
    return Cost(rows * (row_bytes + EXPONENTS_BYTES), rows * cycles, around)


@dataclass(frozen=True)
class TokenCost:
    """A token on a board.

    Parameters
    ----------
    memory_bytes
        Read and written by its commands.
    link_bytes
        Its embedding, and its answer.
    tokens_per_second
        Of the memory, its share of the peak, and of the units beside it; the link is left out.
    """

    memory_bytes: int
    link_bytes: int
    tokens_per_second: float


def token_cost(
    program: Program, board: BoardMemory, seen: int, answers: int = 1, kept: int | None = None, tokens: int = 1
) -> TokenCost:
    """Cost of a token on a board, a mean where several are taken together.

    Parameters
    ----------
    program, board
        What it runs, and where.
    seen
        Positions that it sees, its own included.
    answers
        Tokens it is answered with; for 0 the program's ANSWER is left out.
    kept
        Rows that it sees in the caches of a set, its own included; None: as many as positions.
    tokens
        That are taken together, the last of them answered.

    Raises
    ------
    InputError
        If the board's port cannot carry the formats.
    """
    engine = program_engine(program, board)
    costs = [
        command_cost(command, length, program, engine, _seen_by(command, seen, kept), tokens)
        for command, length in zip(program.commands, program.lengths, strict=True)
        if answers or not isinstance(command, Answer)
    ]
    rate = board.peak_bytes_per_second * board.share
    clock = board.memory.clock_mhz * 1e6
    words = WORD_BYTES * program_words(program)
    seconds = words / rate + sum(max(c.memory_bytes / rate, c.beside / clock) + c.alone / clock for c in costs)
    moved = words + sum(cost.memory_bytes for cost in costs)
    linked = (tokens - 1) * link_bytes(program, 0) + link_bytes(program, answers)
    return TokenCost(round(moved / tokens), round(linked / tokens), tokens / seconds)


def _seen_by(command: Command, seen: int, kept: int | None) -> int:
    """Rows of its cache that a command sees."""
    return kept if kept is not None and isinstance(command, Attend) and command.of_set else seen


def link_bytes(program: Program, answers: int) -> int:
    """Bytes of a token on the link: its embedding's words and exponent, and the answer's tokens with their keys."""
    return embedding_bytes(program) + answers * ANSWER_BYTES
