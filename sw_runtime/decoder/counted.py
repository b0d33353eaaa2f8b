"""What a board counted of a text."""

from dataclasses import dataclass

from formats.decoder.program import Program
from hw.board.boards import BoardMemory
from sw_runtime.decoder.cost import token_cost
from sw_runtime.decoder.on_board import BoardDecoder


@dataclass(frozen=True)
class CountedCost:
    """What a text took on a board, a mean over all its tokens.

    Parameters
    ----------
    cycles
        Per token, counted by the board: simulated where the board is, else measured.
    memory_bytes
        That its program reads and writes per token: derived.
    memory_busy
        These bytes over what the chip moves at its peak in as many cycles.
    tokens_per_second
        At the board's clock, without the link.
    """

    cycles: float
    memory_bytes: int
    memory_busy: float
    tokens_per_second: float

    @classmethod
    def of(cls, decoder: BoardDecoder, program: Program, board: BoardMemory) -> "CountedCost":
        """Cost of what a decoder has taken so far of a program, one token at least."""
        count = len(decoder.answers)
        asked = sum(len(answer.best.tokens) > 0 for answer in decoder.answers)
        cycles = sum(answer.cycles for answer in decoder.answers) / count
        costs = [token_cost(program, board, (count + 1) // 2, answers).memory_bytes for answers in (0, 1)]
        moved = round((costs[0] * (count - asked) + costs[1] * asked) / count)
        peak = board.peak_bytes_per_second / decoder.clock_hz
        return cls(cycles, moved, moved / (peak * cycles), decoder.clock_hz / cycles)
