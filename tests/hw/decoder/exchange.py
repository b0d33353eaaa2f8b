"""Words into all streams of a unit at once, and what leaves, cycle by cycle."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random

from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge, ReadOnly

from tests.hw.streams import Pattern, Stream

PATIENCE = 400
"""Cycles in which something must move."""


async def is_exact(
    dut: HierarchyObject,
    words: Mapping[str, Sequence[int]],
    expected: Sequence[tuple[int, int]],
    patterns: Mapping[str, Pattern],
    random: Random,
) -> bool:
    """Whether a unit takes all words, and hands over what it must and nothing else.

    Parameters
    ----------
    dut
        The unit; its output is ``o``.
    words
        By stream.
    expected
        Payloads that leave, each with what ``o_exponent`` then is; 0 where there is no such port.
    patterns
        By stream: when its partner takes part.
    random
        Where patterns and the payloads of silent streams draw from.
    """
    inputs = {name: Stream(dut, name) for name in words}
    waiting, offered = {name: list(reversed(queue)) for name, queue in words.items()}, dict.fromkeys(words, False)
    exponent, received, quiet = getattr(dut, "o_exponent", None), 0, 0
    pending: tuple[int, int] | None = None
    while quiet < PATIENCE and (received < len(expected) or any(waiting.values())):
        await FallingEdge(dut.clk)
        quiet += 1
        for name, stream in inputs.items():
            offered[name] = bool(waiting[name]) and (offered[name] or patterns[name](random))
            stream.valid.value = int(offered[name])
            stream.payload.value = waiting[name][-1] if offered[name] else random.getrandbits(stream.width)
        takes = patterns["o"](random)
        dut.o__ready.value = int(takes)
        await ReadOnly()
        for name, stream in inputs.items():
            if offered[name] and stream.ready.value:
                waiting[name].pop()
                offered[name], quiet = False, 0
        leaving = None
        if dut.o__valid.value:
            leaving = int(dut.o__payload.value), exponent.value.to_signed() if exponent is not None else 0
        if pending not in (None, leaving) or (leaving and expected[received : received + 1] != [leaving]):
            return False
        received, quiet = received + bool(leaving and takes), 0 if leaving and takes else quiet
        pending = None if takes else leaving
    await FallingEdge(dut.clk)
    for stream in inputs.values():
        stream.valid.value = 0
    return quiet < PATIENCE


async def reset(dut: HierarchyObject, mutant: int) -> None:
    """A unit as it begins, with a fault or (0) without one."""
    await FallingEdge(dut.clk)
    dut.mutant.value, dut.rst.value = mutant, 1
    await FallingEdge(dut.clk)
    await FallingEdge(dut.clk)
    dut.rst.value = 0


def silence(dut: HierarchyObject, names: Iterable[str]) -> None:
    """No stream is offered a word, none is taken, and no fault is chosen."""
    for name in names:
        getattr(dut, f"{name}__valid").value = 0
    dut.o__ready.value, dut.mutant.value = 0, 0
