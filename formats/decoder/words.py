"""The program of a decoder, word by word.

A program is a run of 32-bit words in a board's memory. Each command is its opcode and its fields, a word each; BEGIN
stands first, ANSWER last. Negative numbers are two's complements of 32 bits.

Addresses count bytes and are multiples of ``ALIGNMENT``. Slots are numbers: 0 stream, 1 normed, 2 query, 3 key,
4 value, 5 attended, 6 gate, 7 up, 8 branch. What the commands do is said by ``golden_models/integer_decoder``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from formats.decoder.program import Slot
from formats.errors import CheckpointError, InputError

VERSION = 3
"""Of this definition; a device refuses another."""

ALIGNMENT = 64
"""Bytes of the widest memory port: whatever has an address begins with a beat."""

SLOTS = tuple(Slot)
"""Slot by number."""

ACTIVATIONS = ("silu", "gelu", "gelu_pytorch_tanh")
"""Activation function by number, of ``formats.decoder.tables.GATES``."""


class Opcode(IntEnum):
    """First word of a command."""

    BEGIN = 0x00
    NORMALISE = 0x01
    MULTIPLY = 0x02
    ADD = 0x03
    ADD_CONSTANT = 0x04
    ROTATE = 0x05
    STORE = 0x06
    ATTEND = 0x07
    GATE = 0x08
    ANSWER = 0x09


@dataclass(frozen=True)
class Field:
    """A word of a command: what programs call it, what it says, and whether it may be negative."""

    name: str
    meaning: str
    signed: bool = False


@dataclass(frozen=True)
class Layout:
    """A command's words behind its opcode, and what it does."""

    meaning: str
    fields: tuple[Field, ...]


SOURCE, DESTINATION = Field("source", "slot"), Field("destination", "slot")
EXPONENT = Field("exponent", "of the result, above that of the rounded vector", signed=True)
HEADS, WIDTH = Field("heads", "parts"), Field("width", "elements of a part")
LENGTH = Field("length", "elements")

MATRIX = (
    Field("format", "place in the image's list of formats"),
    Field("rows", ""),
    Field("columns", ""),
    Field("column_blocks", "as the engine counts them"),
    Field("row_groups", "as the engine counts them"),
    Field("weights", "address of the weights' beats, without gaps"),
    Field("scales", "address of the rows' scales, bfloat16"),
)

OF_SET = Field("of_set", "1: the cache's rows are counted by the TOKEN's `row`; 0: by its position")
"""The first field of both commands of a cache, so that hardware finds it in one word."""

CACHE = (
    Field(
        "keys",
        "address of the cached keys, head by head: a head's positions one after the other, 8 or 16 bits per element",
    ),
    Field("values", "address of the cached values, as the keys"),
    Field(
        "exponents",
        "address of their exponents, head by head, a word per position: the key's in the low half, the value's above",
    ),
)

LAYOUTS: dict[Opcode, Layout] = {
    Opcode.BEGIN: Layout(
        "what the device must have before a token comes",
        (
            Field("version", "of this definition"),
            Field("commands", "how many follow"),
            Field("dim", "elements of the vector that comes over the link into the stream"),
            Field("kv_bits", "of a cached element, 8 or 16"),
            Field("positions", "longest context"),
            *(Field(f"{slot}_words", f"words of vector memory of slot {place}") for place, slot in enumerate(SLOTS)),
        ),
    ),
    Opcode.NORMALISE: Layout(
        "RMSNorm of each part",
        (
            SOURCE,
            DESTINATION,
            HEADS,
            WIDTH,
            Field("weights", "address of the norm's weights, 16 bits each"),
            Field("weights_exponent", "", signed=True),
            Field("eps", "ε times the elements"),
            Field("eps_exponent", "even", signed=True),
        ),
    ),
    Opcode.MULTIPLY: Layout("a matrix times a vector", (*MATRIX, SOURCE, DESTINATION, EXPONENT)),
    Opcode.ADD: Layout("adds a slot to another", (SOURCE, DESTINATION, LENGTH)),
    Opcode.ADD_CONSTANT: Layout(
        "adds a bias to a slot",
        (
            Field("constant", "address of the bias, 32 bits per element"),
            Field("exponent", "", signed=True),
            DESTINATION,
            LENGTH,
        ),
    ),
    Opcode.ROTATE: Layout(
        "rotary embedding of each part by the row of the token's position",
        (
            Field("slot", ""),
            HEADS,
            WIDTH,
            Field(
                "rows",
                "address of position 0's row: a word a pair of elements, the cosine in the low half, the sine above it",
            ),
            Field("factor", "multiplies the result, 17 bits; 0 for none"),
            Field("factor_exponent", "", signed=True),
        ),
    ),
    Opcode.STORE: Layout(
        "appends a token's keys and values to a cache",
        (OF_SET, Field("key_slot", ""), Field("value_slot", ""), HEADS, WIDTH, *CACHE),
    ),
    Opcode.ATTEND: Layout(
        "softmax attention over a cache",
        (
            OF_SET,
            SOURCE,
            DESTINATION,
            HEADS,
            Field("kv_heads", "heads of keys and values"),
            WIDTH,
            Field("window", "last positions seen, the token's own included; 0 for all"),
            *CACHE,
        ),
    ),
    Opcode.GATE: Layout(
        "activation function of the gate, times the other slot",
        (
            Field("gate", "slot"),
            Field("up", "slot"),
            DESTINATION,
            LENGTH,
            Field("activation", "0 SiLU, 1 GELU, 2 GELU by tanh"),
        ),
    ),
    Opcode.ANSWER: Layout(
        "logits as keys of the token router; the token ends here",
        (*MATRIX, SOURCE, Field("exponent", "of the keys, the same for every token", signed=True)),
    ),
}
"""Opcode → words."""


def command_words(opcode: Opcode, values: dict[str, int]) -> list[int]:
    """Words of a command, of a value for each field.

    Raises
    ------
    InputError
        If a value does not fit its word.
    """
    words = [int(opcode)]
    for field in LAYOUTS[opcode].fields:
        value = values[field.name]
        least, end = (-(1 << 31), 1 << 31) if field.signed else (0, 1 << 32)
        if not least <= value < end:
            raise InputError(f"{opcode.name}: {field.name} {value} does not fit 32 bits; the model has no such program")
        words.append(value & 0xFFFF_FFFF)
    return words


def read_commands(words: Sequence[int]) -> list[tuple[Opcode, dict[str, int]]]:
    """Opcodes and fields of a program, BEGIN first; words behind it are not looked at.

    Raises
    ------
    CheckpointError
        If they are no program of this version.
    """
    opcode, begin, at = _read_command(words, 0)
    if opcode != Opcode.BEGIN or begin["version"] != VERSION:
        raise CheckpointError(f"the program does not begin as one of version {VERSION}; write the image again")
    commands: list[tuple[Opcode, dict[str, int]]] = [(opcode, begin)]
    for _ in range(begin["commands"]):
        opcode, values, at = _read_command(words, at)
        commands.append((opcode, values))
    if opcode != Opcode.ANSWER:
        raise CheckpointError("the program does not end with an answer; write the image again")
    return commands


def _read_command(words: Sequence[int], at: int) -> tuple[Opcode, dict[str, int], int]:
    """A command's opcode and fields, and where the next one begins."""
    if at >= len(words) or words[at] not in LAYOUTS:
        raise CheckpointError(f"word {at} of the program is no opcode; write the image again")
    opcode = Opcode(words[at])
    fields, end = LAYOUTS[opcode].fields, at + 1 + len(LAYOUTS[opcode].fields)
    if end > len(words):
        raise CheckpointError(f"the program ends within {opcode.name}; write the image again")
    values = {
        field.name: word - (1 << 32) if field.signed and word >> 31 else word
        for field, word in zip(fields, words[at + 1 : end], strict=True)
    }
    return opcode, values, end


def program_tables() -> str:
    """``docs/programs.md``: all commands as Markdown."""
    lines = ["# The words of a program", "", "Made by `python -m formats.decoder.words > docs/programs.md`.", ""]
    lines += (__doc__ or "").split("\n\n", 1)[1].rstrip().replace("``", "`").splitlines()
    lines += ["", f"This is version {VERSION}; addresses are multiples of {ALIGNMENT}."]
    for opcode, layout in LAYOUTS.items():
        lines += ["", f"## {opcode.name}, 0x{opcode:02X}", "", f"{layout.meaning[0].upper()}{layout.meaning[1:]}.", ""]
        lines += ["| word | | |", "|---:|---|---|"]
        lines += [f"| {place} | `{field.name}` | {field.meaning} |" for place, field in enumerate(layout.fields, 1)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(program_tables(), end="")
