"""What a board counted of a text."""

from collections import Counter
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
        count = sum(answer.taken for answer in decoder.answers)
        cycles = sum(answer.cycles for answer in decoder.answers) / count
        kinds = Counter((len(answer.best.tokens) > 0, answer.taken) for answer in decoder.answers)
        moved = round(
            sum(
                times * tokens * token_cost(program, board, (count + 1) // 2, asked, tokens=tokens).memory_bytes
                for (asked, tokens), times in kinds.items()
            )
            / count
        )
        peak = board.peak_bytes_per_second / decoder.clock_hz
        return cls(cycles, moved, moved / (peak * cycles), decoder.clock_hz / cycles)
