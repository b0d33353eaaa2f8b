"""Fields are kept, added up past 32 bits, and set to 0; what a board is stays."""

from collections.abc import Awaitable, Callable

from amaranth.sim import Simulator, SimulatorContext

from formats.board_requests import Opcode
from hw.board.field_memory import IDENTITY, RESULT, SUMS, FieldMemory

WORDS = [0xDEAD0000 + place for place in range(6)]
ALL_ONES = (1 << 32) - 1


async def keep(context: SimulatorContext, fields: FieldMemory, opcode: int) -> None:
    context.set(fields.opcode, opcode)
    context.set(fields.start, 1)
    await context.tick().until(fields.done)
    context.set(fields.start, 0)


async def area(context: SimulatorContext, fields: FieldMemory, number: int, words: int) -> list[int]:
    found = []
    context.set(fields.area, number)
    for position in range(words):
        context.set(fields.position, position)
        await context.tick().repeat(2)
        found.append(context.get(fields.field))
    return found


def run(bench: Callable[[SimulatorContext, FieldMemory], Awaitable[None]]) -> None:
    fields = FieldMemory(WORDS, position_bits=3)

    async def after_reset(context: SimulatorContext) -> None:
        await context.tick().until(fields.done)
        await bench(context, fields)

    simulator = Simulator(fields)
    simulator.add_clock(1e-6)
    simulator.add_testbench(after_reset)
    simulator.run()


def test_sums_carry_into_their_upper_words_and_only_what_succeeded_counts() -> None:
    async def bench(context: SimulatorContext, fields: FieldMemory) -> None:
        cycles, port_busy = 0, 0
        for number in range(3):
            values = (ALL_ONES - number, 0x9000_0000 + number)
            for signal, value in zip((fields.cycles, fields.port_busy), values, strict=True):
                context.set(signal, value)
            context.set(fields.succeeded, number != 1)
            await keep(context, fields, Opcode.PRODUCT)
            cycles, port_busy = cycles + values[0], port_busy + values[1]
            assert await area(context, fields, RESULT, 2) == list(values)
        expected = [cycles & ALL_ONES, cycles >> 32, port_busy & ALL_ONES, port_busy >> 32, 2]
        assert await area(context, fields, SUMS, 5) == expected
        assert await area(context, fields, IDENTITY, 6) == WORDS

    run(bench)


def test_a_checksum_is_kept_and_leaves_the_sums_which_a_reset_clears() -> None:
    async def bench(context: SimulatorContext, fields: FieldMemory) -> None:
        context.set(fields.cycles, 7)
        context.set(fields.port_busy, 5)
        context.set(fields.succeeded, 1)
        context.set(fields.checksum, 0x1234_5678)
        await keep(context, fields, Opcode.TOKEN)
        await keep(context, fields, Opcode.CHECKSUM)
        assert await area(context, fields, RESULT, 1) == [0x1234_5678]
        assert await area(context, fields, SUMS, 5) == [7, 0, 5, 0, 1]
        await keep(context, fields, Opcode.RESET)
        assert await area(context, fields, SUMS, 5) == [0] * 5

    run(bench)
