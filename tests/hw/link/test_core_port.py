"""Requests into a core and responses out of it, whoever waits and whoever is early."""

from random import Random

import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.link.core_port import CorePort

WINDOW, WORDS, SLOT = 2, 8, 1


def carry(
    request: list[int], response: list[int], takes: float, answers: float, early: bool, waits: float = 0
) -> tuple[list[int], ...]:
    """One request: its words at the core, those written to the slot, and the response's length; each end is ready in a
    share of the cycles, the request memory waits in a share, and an early core answers before it has taken a word.
    """
    dut, random = CorePort(WINDOW, WORDS), Random(4)
    taken: list[int] = []
    written: dict[int, int] = {}
    counts: list[int] = []

    async def bench(context: SimulatorContext) -> None:
        context.set(dut.slot, SLOT)
        context.set(dut.words, len(request))
        context.set(dut.begin, 1)
        await context.tick()
        context.set(dut.begin, 0)
        waiting, offered, address = list(reversed(response)), False, 0
        for _ in range(2_000):
            begun = len(taken) == len(request) or early
            offered = bool(waiting) and begun and (offered or random.random() < answers)
            context.set(dut.i_response.valid, offered)
            if offered:
                context.set(dut.i_response.payload, {"data": waiting[-1], "last": len(waiting) == 1})
            context.set(dut.o_request.ready, random.random() < takes and not (early and waiting))
            context.set(dut.read_data, request[address - SLOT * WORDS] if address >= SLOT * WORDS else 0xDEAD)
            context.set(dut.read_waits, random.random() < waits)
            if not context.get(dut.read_waits):
                address = min(context.get(dut.read_address), SLOT * WORDS + len(request) - 1)
            if context.get(dut.o_request.valid) and context.get(dut.o_request.ready):
                payload = context.get(dut.o_request.payload)
                taken.append(payload.data)
                assert payload.last == (len(taken) == len(request))
            if context.get(dut.write):
                written[context.get(dut.write_address)] = context.get(dut.write_data)
            if offered and context.get(dut.i_response.ready):
                waiting.pop()
                offered = False
            if context.get(dut.finished):
                counts.append(context.get(dut.response_words))
            await context.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert sorted(written) == list(range(SLOT * WORDS, SLOT * WORDS + min(len(response), WORDS)))
    return taken, list(written.values()), counts


@pytest.mark.parametrize(("takes", "answers"), [(1, 1), (0.3, 1), (1, 0.3), (0.3, 0.3)])
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("size", [1, 5, WORDS])
def test_words_go_in_their_order_and_the_end_comes_once(takes: float, answers: float, early: bool, size: int) -> None:
    request, response = list(range(1, size + 1)), list(range(100, 101 + WORDS - size))
    assert carry(request, response, takes, answers, early) == (request, response, [len(response)])


def test_a_word_comes_from_a_memory_that_waits() -> None:
    request = list(range(1, WORDS + 1))
    assert carry(request, [9], 1, 1, early=False, waits=0.7) == (request, [9], [1])


def test_a_response_longer_than_its_slot_counts_as_none() -> None:
    _, written, counts = carry([1], list(range(WORDS + 3)), 1, 1, early=False)
    assert written == list(range(WORDS))
    assert counts == [0]
