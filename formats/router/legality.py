"""Which commands are refused, and which data an accepted one takes: a function of the command alone.

Refusals come before data: the command then has no effect and no payload, and data that follow are
drained. They read off the command word and the build parameters; nothing depends on memory.
"""

from formats.router.descriptor import (
    ALL_SETS,
    FLAGS_USED,
    KEY_BITS,
    NO_SLOT,
    WORD_BITS,
    Bound,
    CacheAction,
    Command,
    Flag,
    KeyFormat,
    Opcode,
    Quota,
    RouterParameters,
    Status,
)

MAXIMUM_ELEMENTS = 1 << 18
"""Longest stream of FIRST and SEGLL."""

MAXIMUM_IDS = 16
"""Most experts in one LRU command."""

MAXIMUM_ID = 255

MAXIMUM_DRAFTS = 255

MAXIMUM_LENGTH = 4095
"""Values of the longest segment."""
"""Most draft tokens that PREFIX compares: its count is below 256."""

MAXIMUM_PAIRED, MAXIMUM_TRIPLED = 2 * MAXIMUM_DRAFTS + 1, 3 * MAXIMUM_DRAFTS
"""Longest streams of PREFIX: greedy, a draft and a target a token and one target more; stochastic, u, q, p a token."""

_SLOTS = {
    Opcode.TOPK: ("sa", "sb", "dst"),
    Opcode.FILTER: ("dst",),
    Opcode.RANGE: ("sa", "dst"),
    Opcode.GATHER: ("sa", "sb", "sc", "dst"),
    Opcode.PUTBM: ("dst",),
    Opcode.RATIO: ("dst",),
}


def elements_due(command: Command) -> int:
    """Data elements a legal command consumes."""
    match command.opcode:
        case Opcode.LOAD | Opcode.FIRST | Opcode.PREFIX | Opcode.RATIO | Opcode.SEGLL:
            return command.n
        case Opcode.FILTER:
            return 0 if command.has(Flag.FILTER_KEYS) else command.n
        case Opcode.PUTBM:
            return -(-command.n // WORD_BITS)
        case Opcode.LRU:
            return 0 if command.mode == CacheAction.FLUSH else command.n
    return 0


def element_bytes(command: Command) -> int:
    """Bytes of one data element, little endian."""
    if command.opcode in (Opcode.PUTBM, Opcode.LRU):
        return 2
    if command.opcode in (Opcode.LOAD, Opcode.FILTER, Opcode.FIRST) and command.mode in (KeyFormat.U16, KeyFormat.S16):
        return 2
    return 3


def elements_a_beat(command: Command, parameters: RouterParameters) -> int:
    """Elements in one beat of the data stream: as many as lanes where keys pass, else one."""
    return parameters.lanes if command.opcode in (Opcode.LOAD, Opcode.FILTER, Opcode.FIRST) else 1


def beats_due(command: Command, parameters: RouterParameters) -> int:
    """Beats of the data stream a legal command consumes; each row of FIRST starts on a beat."""
    due, lanes = elements_due(command), elements_a_beat(command, parameters)
    if command.opcode == Opcode.FIRST and due:
        return due // command.row_elements * -(-command.row_elements // lanes)
    return -(-due // lanes)


def refusal(command: Command, parameters: RouterParameters) -> Status:
    """BAD_OP, BAD_ARG, BAD_SLOT or BAD_N, the first that applies; OK for a legal command."""
    if command.opcode not in FLAGS_USED:
        return Status.BAD_OP
    if _bad_argument(command):
        return Status.BAD_ARG
    slots = [getattr(command, field) for field in _SLOTS.get(Opcode(command.opcode), ())]
    if any(parameters.slots <= slot < NO_SLOT for slot in slots):
        return Status.BAD_SLOT
    return Status.BAD_N if _bad_size(command, parameters) else Status.OK


def _bad_argument(command: Command) -> bool:
    """A reserved flag or field value, or a contradiction."""
    opcode = Opcode(command.opcode)
    if command.flags & ~(FLAGS_USED[opcode] | Flag.DATA | Flag.OUT):
        return True
    if command.has(Flag.DATA) != (elements_due(command) > 0):
        return True
    reserved_bound = command.bound not in tuple(Bound)
    match opcode:
        case Opcode.LOAD:
            return command.has(Flag.LOAD_ACCUMULATE) and command.mode in (KeyFormat.S16, KeyFormat.S24)
        case Opcode.TOPK:
            return command.mode not in tuple(Quota) or command.compared_bits > KEY_BITS
        case Opcode.FILTER:
            return reserved_bound or (command.has(Flag.FILTER_KEYS) and command.bound == Bound.TABLE)
        case Opcode.FIRST:
            return reserved_bound or (command.has(Flag.FIRST_NONE) and command.bound == Bound.NONE)
        case Opcode.GATHER:
            return command.has(Flag.GATHER_WRITE) and command.dst == NO_SLOT
        case Opcode.RATIO:
            return command.x > 256
    return False


def _bad_size(command: Command, parameters: RouterParameters) -> bool:
    """More than the memories hold, or an n the operation cannot divide."""
    n, keys_left = command.n, parameters.keys - WORD_BITS * command.base
    match command.opcode:
        case Opcode.LOAD | Opcode.READKEYS | Opcode.TOPK:
            return n > keys_left
        case Opcode.FILTER:
            uses_keys = command.has(Flag.FILTER_KEYS) or command.bound == Bound.TABLE
            return n > (keys_left if uses_keys else parameters.keys)
        case Opcode.FIRST:
            row = command.row_elements
            table_too_long = command.bound == Bound.TABLE and row > keys_left
            return n > MAXIMUM_ELEMENTS or (n > 0 and n % row != 0) or table_too_long
        case Opcode.RANGE:
            return n > parameters.keys or command.x + command.y > n
        case Opcode.GATHER | Opcode.PUTBM | Opcode.RATIO:
            return n > parameters.keys
        case Opcode.PREFIX:
            if command.has(Flag.PREFIX_STOCHASTIC):
                return n % 3 != 0 or n > MAXIMUM_TRIPLED
            return n % 2 != 1 or n > MAXIMUM_PAIRED
        case Opcode.SEGLL:
            values = command.x // 2 if command.has(Flag.SEGLL_PAIR) else command.x
            return n > MAXIMUM_ELEMENTS or values > keys_left
        case Opcode.LRU:
            every_set = command.mode == CacheAction.FLUSH and command.x == ALL_SETS
            return n > MAXIMUM_IDS or (command.x >= parameters.sets and not every_set)
    return False
