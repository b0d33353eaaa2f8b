"""The most cycles a router command may take: a function of the command alone."""

from formats.router.descriptor import (
    NO_SLOT,
    WORD_BITS,
    CacheAction,
    Command,
    Flag,
    Opcode,
    RouterParameters,
)
from formats.router.legality import beats_due

TRAILER = 16
"""What most limits allow for start, pipeline and trailer."""

INFO_WORDS = 16


def cycle_limit(command: Command, parameters: RouterParameters) -> int:
    """Limit of the busy cycles of a legal command whose data and answer never have to wait.

    Seldom reached: the busy cycles in the trailer say what a command took.
    """
    rows = -(-command.n // WORD_BITS) * WORD_BITS // parameters.lanes
    match command.opcode:
        case Opcode.INFO:
            return INFO_WORDS + TRAILER
        case Opcode.LOAD:
            return beats_due(command, parameters) + TRAILER
        case Opcode.READKEYS:
            return 2 * command.n + TRAILER
        case Opcode.TOPK:
            passes = -(-command.compared_bits // parameters.digit_bits)
            walks = passes + max(1, _slots(command, "sa", "sb"))
            return walks * rows + passes * (parameters.digit_bits + 6) + 28
        case Opcode.FILTER | Opcode.RANGE | Opcode.PUTBM:
            return rows + TRAILER
        case Opcode.GATHER:
            indices = command.n if command.has(Flag.GATHER_LIST) else 0
            return max(1, _slots(command, "sa", "sb", "sc", "dst")) * rows + indices + TRAILER
        case Opcode.FIRST:
            row = command.row_elements
            return command.n // row * max(-(-row // parameters.lanes), 2) + TRAILER if row else TRAILER
        case Opcode.PREFIX if command.has(Flag.PREFIX_STOCHASTIC):
            return 2 * command.n + 24
        case Opcode.PREFIX | Opcode.RATIO:
            return command.n + TRAILER
        case Opcode.SEGLL:
            return command.n + 32 * command.x + TRAILER
        case Opcode.LRU:
            flushed = parameters.sets if command.mode == CacheAction.FLUSH else 0
            return 3 * command.n + flushed + TRAILER
    return TRAILER


def _slots(command: Command, *fields: str) -> int:
    """How many of the fields name a bitmap."""
    return sum(getattr(command, field) != NO_SLOT for field in fields)
