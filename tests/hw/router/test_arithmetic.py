"""Divider, multiplier and select counters alone, in Amaranth's own simulator."""

from collections.abc import Awaitable, Callable
from random import Random

from amaranth.lib import wiring
from amaranth.sim import Simulator, SimulatorContext

from hw.router.arithmetic.divider import Divider
from hw.router.arithmetic.multiplier import MULTIPLIER_LATENCY, Multiplier
from hw.router.parameters import UnitParameters
from hw.router.primitives.select_counters import COUNTING_LATENCY, SelectCounters


def simulate(component: wiring.Component, bench: Callable[[SimulatorContext], Awaitable[None]]) -> None:
    """Run a test bench to its end."""
    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_the_divider_divides_every_pair_of_small_numbers() -> None:
    divider = Divider(quotient_bits=5, divisor_bits=3)

    async def bench(context: SimulatorContext) -> None:
        for divisor in range(1, 8):
            for dividend in range(divisor << 5):
                context.set(divider.dividend, dividend)
                context.set(divider.divisor, divisor)
                context.set(divider.start, 1)
                await context.tick()
                context.set(divider.start, 0)
                await context.tick().until(divider.done)
                assert (context.get(divider.quotient), context.get(divider.remainder)) == divmod(dividend, divisor)

    simulate(divider, bench)


def test_the_multiplier_is_exact_and_takes_five_cycles() -> None:
    multiplier = Multiplier()
    random = Random(1)
    edges = (0, 1, (1 << 18) - 1, 1 << 18, (1 << 24) - 1)
    pairs = [(a, b) for a in edges for b in edges] + [
        (random.getrandbits(24), random.getrandbits(24)) for _ in range(50)
    ]

    async def bench(context: SimulatorContext) -> None:
        for a, b in pairs:
            context.set(multiplier.i.a, a)
            context.set(multiplier.i.b, b)
            context.set(multiplier.i.start, 1)
            for _ in range(MULTIPLIER_LATENCY):
                assert not context.get(multiplier.i.done)
                await context.tick()
                context.set(multiplier.i.start, 0)
            assert context.get(multiplier.i.done)
            assert context.get(multiplier.i.product) == a * b
            await context.tick()

    simulate(multiplier, bench)


def test_the_counters_find_the_digit_that_enough_keys_reach() -> None:
    parameters = UnitParameters(lanes=4, digit_bits=3, keys=64)
    counters = SelectCounters(parameters)
    random = Random(2)

    async def bench(context: SimulatorContext) -> None:
        for quota in range(20):
            digits = [random.randrange(8) for _ in range(16)]
            marks = [random.random() < 0.8 for _ in digits]
            counted = [digit for digit, mark in zip(digits, marks, strict=True) if mark]
            wanted = min(quota, len(counted))
            context.set(counters.clear, 1)
            await context.tick()
            context.set(counters.clear, 0)
            for row in range(4):
                context.set(counters.valid, 1)
                for lane in range(4):
                    context.set(counters.digits[lane], digits[4 * row + lane])
                context.set(counters.marked, sum(marks[4 * row + lane] << lane for lane in range(4)))
                await context.tick()
            context.set(counters.valid, 0)
            await context.tick().repeat(COUNTING_LATENCY - 1)
            context.set(counters.quota, wanted)
            context.set(counters.search, 1)
            await context.tick().repeat(parameters.digit_bits)
            context.set(counters.search, 0)
            largest = max(t for t in range(8) if t == 0 or sum(digit >= t for digit in counted) >= wanted)
            assert context.get(counters.digit) == largest
            assert context.get(counters.above) == sum(digit > largest for digit in counted)

    simulate(counters, bench)
