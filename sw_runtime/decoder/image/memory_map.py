"""Where everything of a program lies in a board's memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

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
    RotaryRows,
    Rotate,
    Store,
)
from formats.decoder.words import ALIGNMENT, LAYOUTS, Opcode
from formats.engine import EngineParameters
from formats.errors import InputError
from hw.board.boards import BoardMemory
from sw_runtime.device.board.fitting import board_engine
from sw_runtime.device.layout import stored_bytes
from sw_runtime.device.protocol import MatrixShape

OPCODES: dict[type[Command], Opcode] = {
    Normalise: Opcode.NORMALISE,
    Multiply: Opcode.MULTIPLY,
    Add: Opcode.ADD,
    AddConstant: Opcode.ADD_CONSTANT,
    Rotate: Opcode.ROTATE,
    Store: Opcode.STORE,
    Attend: Opcode.ATTEND,
    Gate: Opcode.GATE,
    Answer: Opcode.ANSWER,
}

WHOLE = "program"
"""Area of the program that is a model's whole decoder, which every memory holds."""

AREAS = ("constants", "rotary", "weights", "embeddings", "cache")
"""Areas behind the programs, in the order of their addresses."""

WEIGHT_BYTES, SCALE_BYTES, ANGLE_BYTES, EXPONENTS_BYTES = 2, 2, 2, 4
"""Bytes of a norm's weight, of a row's scale, of a cosine or sine, of a cached head's two exponents."""


@dataclass(frozen=True)
class CachePlace:
    """Addresses of a layer's cache."""

    keys: int
    values: int
    exponents: int


@dataclass(frozen=True)
class MatrixAddresses:
    """Addresses of a matrix."""

    weights: int
    scales: int


@dataclass(frozen=True)
class MemoryMap:
    """Addresses of programs' parts; each begins at a multiple of ``ALIGNMENT``.

    Programs share what is equal: norms, biases, rotary rows, matrices, and the cache. A matrix that is another one's
    first rows lies in it.

    Parameters
    ----------
    areas
        Bytes of every program by its name, and of ``constants``, ``rotary``, ``weights``, ``embeddings`` (of the tokens
        that are taken together) and ``cache``, in this order and without gaps.
    constants
        Address of a norm's weights or a bias, by its command.
    rotary
        Address of each table of rows.
    matrices
        Of each matrix.
    caches
        Of each layer.
    """

    areas: dict[str, range]
    constants: dict[Command, int]
    rotary: tuple[int, ...]
    matrices: dict[MatrixPlace, MatrixAddresses]
    caches: dict[int, CachePlace]

    @classmethod
    def of(cls, programs: Mapping[str, Program], engine: EngineParameters) -> "MemoryMap":
        """The map of programs over one cache for an engine; the first is the model's whole decoder."""
        shelf, areas = _Shelf(), {}
        whole, start = next(iter(programs.values())), shelf.end
        for name, program in programs.items():
            shelf.take(WORD_BYTES * program_words(program))
            areas[name], start = range(start, shelf.end), shelf.end
        commands = dict.fromkeys(command for program in programs.values() for command in program.commands)
        constants = {command: shelf.take(nbytes) for command in commands if (nbytes := constant_bytes(command))}
        areas["constants"], start = range(start, shelf.end), shelf.end
        rotary = tuple(shelf.take(whole.positions * rotary_bytes(rows)) for rows in whole.rotary)
        areas["rotary"], start = range(start, shelf.end), shelf.end
        matrices: dict[MatrixPlace, MatrixAddresses] = {}
        for place, owner in _owners(programs.values()).items():
            if owner not in matrices:
                weights, scales = shelf.take(matrix_bytes(owner, engine)), shelf.take(SCALE_BYTES * owner.rows)
                matrices[owner] = MatrixAddresses(weights, scales)
            matrices[place] = matrices[owner]
        areas["weights"], start = range(start, shelf.end), shelf.end
        shelf.take(engine.batch * embedding_bytes(whole))
        areas["embeddings"], start = range(start, shelf.end), shelf.end
        caches = {
            layer: CachePlace(*(shelf.take(whole.positions * nbytes) for nbytes in sizes))
            for layer, sizes in _cache_bytes(whole)
        }
        areas["cache"] = range(start, shelf.end)
        return cls(areas, constants, rotary, matrices, caches)

    @property
    def end(self) -> int:
        """Bytes of memory that are needed."""
        return self.areas["cache"].stop


class _Shelf:
    """Hands out addresses, one behind the other."""

    def __init__(self) -> None:
        self.end = 0

    def take(self, nbytes: int) -> int:
        address, self.end = self.end, self.end + nbytes + -nbytes % ALIGNMENT
        return address


def program_words(program: Program) -> int:
    """Words of a program."""
    opcodes = [Opcode.BEGIN, *(OPCODES[type(command)] for command in program.commands)]
    return sum(1 + len(LAYOUTS[opcode].fields) for opcode in opcodes)


def constant_bytes(command: Command) -> int:
    """Bytes of the vector that a command brings along; 0 for none."""
    match command:
        case Normalise():
            return WEIGHT_BYTES * len(command.weight.mantissas)
        case AddConstant():
            return WORD_BYTES * len(command.constant.mantissas)
    return 0


def embedding_bytes(program: Program) -> int:
    """Bytes of a token's embedding: its exponent and its elements, a word each."""
    return WORD_BYTES * (1 + program.dim)


def rotary_bytes(rows: RotaryRows) -> int:
    """Bytes of a position's row."""
    return int(2 * ANGLE_BYTES * rows.cos.shape[1])


def matrices_of(programs: Iterable[Program]) -> Iterator[MatrixPlace]:
    """Every matrix of programs, as often as one multiplies."""
    return (place for program in programs for place in program.matrices)


def _owners(programs: Iterable[Program]) -> dict[MatrixPlace, MatrixPlace]:
    """Every matrix, and in which it lies: of those that are the first rows of one another, the one with most."""
    largest: dict[MatrixPlace, MatrixPlace] = {}
    places = list(dict.fromkeys(matrices_of(programs)))
    for place in places:
        kin = replace(place, rows=0)
        largest[kin] = max(largest.get(kin, place), place, key=lambda each: each.rows)
    return {place: largest[replace(place, rows=0)] for place in places}


def matrix_bytes(place: MatrixPlace, engine: EngineParameters) -> int:
    """Bytes of a matrix's beats without gaps."""
    return stored_bytes(MatrixShape(place.format, place.rows, place.columns), engine)


def _cache_bytes(program: Program) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """Layers, and what a position takes of the three parts of their caches."""
    for command, length in zip(program.commands, program.lengths, strict=True):
        if isinstance(command, Store):
            part = length * program.kv_bits // 8
            yield command.layer, (part, part, EXPONENTS_BYTES * command.heads)


def position_bytes(program: Program) -> int:
    """Bytes that a position takes: rotary rows, keys and values."""
    return sum(map(rotary_bytes, program.rotary)) + sum(sum(sizes) for _, sizes in _cache_bytes(program))


def program_engine(
    program: Program, board: BoardMemory, others: Iterable[Program] = (), batch: int = 1
) -> EngineParameters:
    """The engine that a board needs for a program and for others beside it, ``batch`` tokens at once.

    Raises
    ------
    InputError
        If the board's port cannot carry the words of a format, or no engine has such a batch.
    """
    places = matrices_of((program, *others))
    shapes = [MatrixShape(place.format, place.rows, place.columns) for place in places]
    return replace(board_engine(board, shapes), batch=batch)


def with_context(program: Program, positions: int) -> Program:
    """The program with rotary rows for fewer positions."""
    return replace(program, rotary=tuple(RotaryRows(r.cos[:positions], r.sin[:positions]) for r in program.rotary))


def fitted(
    program: Program, board: BoardMemory, others: Mapping[str, Program] | None = None, batch: int = 1
) -> Program:
    """The program with as long a context as a board's memory holds beside ``others``, at most its own.

    The memory has room for the embeddings of ``batch`` tokens.

    Raises
    ------
    InputError
        If not even one position fits, naming the bytes that are missing.
    """
    others = others or {}
    short = {name: with_context(each, 0) for name, each in {WHOLE: program, **others}.items()}
    empty = MemoryMap.of(short, program_engine(program, board, others.values(), batch))
    padding = (ALIGNMENT - 1) * (len(empty.rotary) + 3 * len(empty.caches))
    free, each = board.size_bytes - empty.end - padding, position_bytes(program)
    if free < each:
        raise does_not_fit(board.name, each - free)
    return with_context(program, min(program.positions, free // each))


def check_weights(board: BoardMemory, shapes: Sequence[MatrixShape]) -> None:
    """Refuse matrices that a board's memory does not hold, even with nothing beside them.

    Raises
    ------
    InputError
        Naming the bytes that are missing, or the format that the board's port cannot carry.
    """
    engine = board_engine(board, shapes)
    needed = sum(stored_bytes(shape, engine) + SCALE_BYTES * shape.rows for shape in shapes)
    if needed > board.size_bytes:
        raise does_not_fit(board.name, needed - board.size_bytes)


def does_not_fit(board: str, missing: int) -> InputError:
    """What is said of a memory that is too small."""
    return InputError(
        f"the model does not fit the memory of {board} by {missing:,} bytes; "
        "use fewer bits per weight or a board with more memory"
    )
