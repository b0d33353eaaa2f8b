"""Workspace: where a board's activations and results lie, at the bottom of its memory."""

from dataclasses import dataclass

from formats.board_requests import ROUNDED_GROUP_WORDS, WORD_BYTES
from formats.engine import RESULT_BITS, EngineParameters


@dataclass(frozen=True)
class Workspace:
    """Room for the largest product of an engine.

    Parameters
    ----------
    activations, results
        Addresses of their first bytes.
    end
        Address of the first byte that weights may have.
    """

    activations: int
    results: int
    end: int

    @classmethod
    def of(cls, engine: EngineParameters) -> "Workspace":
        """The workspace that an engine needs."""
        formats, batch = engine.weight_formats, engine.batch
        beats = max(engine.activation_beats(each, engine.maximum_columns) for each in formats)
        results = max(engine.row_groups(each, engine.maximum_rows) * engine.lanes_for(each) for each in formats)
        activation_bytes = batch * beats * engine.port_bytes
        group = ROUNDED_GROUP_WORDS * WORD_BYTES  # results are rounded in whole groups
        result_bytes = -(-batch * results * RESULT_BITS // 8 // group) * group
        return cls(0, activation_bytes, activation_bytes + result_bytes)
