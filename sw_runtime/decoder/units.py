"""The units that a program needs."""

from formats.decoder.program import AddConstant, Attend, Program, Store
from formats.errors import InputError
from hw.decoder.parameters import DecoderParameters

LEAST_WIDTH = 8
"""Elements of a head that take two beats of 8 bits each."""


def units_for(*programs: Program) -> DecoderParameters:
    """Sizes of the decoder's units, no larger than programs over one cache need.

    Raises
    ------
    InputError
        If query heads share their keys by different numbers, or a head's elements are no whole number of beats.
    """
    each_pairs = [list(zip(program.commands, program.lengths, strict=True)) for program in programs]
    pairs = [pair for some in each_pairs for pair in some]
    attends = [(command, length) for command, length in pairs if isinstance(command, Attend)]
    shared = {command.heads // command.kv_heads for command, _ in attends}
    widths = {length // command.heads for command, length in attends}
    if len(shared) > 1:
        raise InputError(
            f"query heads share keys by {sorted(shared)}; the device is built for one number: compile for the host"
        )
    if any(width % LEAST_WIDTH for width in widths):
        raise InputError(f"heads of {sorted(widths)} elements; the device takes multiples of {LEAST_WIDTH}")
    stored = [2 * command.heads for command, _ in pairs if isinstance(command, Store)]
    words = []
    for program, some in zip(programs, each_pairs, strict=True):
        biases = [length for command, length in some if isinstance(command, AddConstant)]
        words.append(program.vector_words + max(biases, default=0))
    return DecoderParameters(
        vector_words=max(words),
        parts=max([*stored, *(command.heads for command, _ in attends)]),
        queries=shared.pop(),
        width=1 << (max(widths) - 1).bit_length(),
        positions=programs[0].positions,
    )
