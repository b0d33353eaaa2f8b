"""Whether a compressed model fits a board's memory, and how fast its products are there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from formats.engine import RESULT_BITS, EngineParameters
from formats.errors import InputError
from hw.board.boards import BoardMemory
from sw_runtime.device.board.workspace import Workspace
from sw_runtime.device.layout import stored_bytes
from sw_runtime.device.protocol import MatrixShape


@dataclass(frozen=True)
class Fit:
    """A model on a board. Tokens a second are derived from bytes and rates, no board was touched.

    Parameters
    ----------
    board
        Its name.
    memory_bytes
        Of the board.
    needed_bytes
        Weights, activations and results; None where the board's engine cannot hold the formats.
    missing_bytes
        By how much the memory is too small; 0 if the model fits.
    tokens_per_second
        For the products of the compressed layers, each once a token; None if the model does not fit.
    context
        Positions whose keys and values, 8 bits each, the rest of the memory holds, the model's own limit at most; None
        as above, or if the model keeps none.
    share
        Of the memory's peak, that the figure takes (simulated).
    reason
        Why the engine cannot hold the formats; empty if it can.
    """

    board: str
    memory_bytes: int
    needed_bytes: int | None
    missing_bytes: int
    tokens_per_second: float | None
    context: int | None
    share: float
    reason: str = ""


def board_engine(board: BoardMemory, shapes: Sequence[MatrixShape]) -> EngineParameters:
    """The engine that a board needs for some matrices.

    Raises
    ------
    InputError
        If the board's port cannot carry the words of a format.
    """
    formats = tuple(sorted({shape.format for shape in shapes}))
    rows, columns = max(shape.rows for shape in shapes), max(shape.columns for shape in shapes)
    return EngineParameters(formats, port_bytes=board.port_bytes, maximum_columns=columns, maximum_rows=rows)


def fit(board: BoardMemory, shapes: Sequence[MatrixShape], config: Any) -> Fit:
    """A model of the given matrices on a board; its config says what a position keeps, and how many it takes."""
    try:
        engine = board_engine(board, shapes)
    except InputError as error:
        return Fit(board.name, board.size_bytes, None, 0, None, None, board.share, str(error))
    needed = Workspace.of(engine).end + sum(stored_bytes(shape, engine) for shape in shapes)
    free, each = board.size_bytes - needed, position_bytes(config)
    fits, longest = free >= 0, getattr(config, "max_position_embeddings", None)
    return Fit(
        board=board.name,
        memory_bytes=board.size_bytes,
        needed_bytes=needed,
        missing_bytes=max(0, -free),
        tokens_per_second=1 / sum(_seconds(board, shape, engine) for shape in shapes) if fits else None,
        context=min(free // each, longest or free) if fits and each else None,
        share=board.share,
    )


def position_bytes(config: Any) -> int:
    """Bytes of keys and values that a model keeps a position, 8 bits each; 0 if its config names no attention."""
    layers, heads = getattr(config, "num_hidden_layers", 0), getattr(config, "num_attention_heads", 0)
    if not layers or not heads:
        return 0
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    return int(2 * layers * (getattr(config, "num_key_value_heads", None) or heads) * width)


def _seconds(board: BoardMemory, shape: MatrixShape, engine: EngineParameters) -> float:
    """Of a product of one vector: of the memory, or of the lanes where these take words more slowly."""
    weight_format = engine.weight_formats[engine.formats.index(shape.format)]
    activations, results = engine.activation_beats(weight_format, shape.columns), shape.rows * RESULT_BITS // 8
    moved = stored_bytes(shape, engine) + activations * engine.port_bytes + results
    words = activations + engine.weight_beats(weight_format, shape.rows, shape.columns) + results // engine.port_bytes
    memory = moved / (board.peak_bytes_per_second * board.share)
    return max(memory, words / (board.memory.clock_mhz * 1e6))
