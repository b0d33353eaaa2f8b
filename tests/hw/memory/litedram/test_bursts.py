"""The burst port over a native port in Python, which takes commands when it likes and answers late."""

from collections import deque
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.memory.litedram.boards import MOST_READS, ORANGECRAB, Ddr3Memory
from hw.memory.litedram.bursts import BurstPort

WRITE_LATENCY, READ_LATENCY = 5, 9
WIDTHS = {bits: replace(ORANGECRAB, data_bits=bits) for bits in (32, 64)}
IDLE_CYCLES = 5
"""Behind the last request, in which a command may still come."""


@dataclass
class NativePort:
    """Cycle by cycle: bursts in the order of their commands, one every second cycle, none before ``silent_until``."""

    port: BurstPort
    random: Random
    ready_share: float
    silent_until: int = 0
    bursts: dict[int, int] = field(default_factory=dict)
    commands: list[tuple[bool, int]] = field(default_factory=list)
    due: deque[tuple[int, bool, int]] = field(default_factory=deque)
    free: int = 0

    def set(self, context: SimulatorContext, cycle: int) -> None:
        """What LiteDRAM drives in a cycle."""
        native = self.port.native
        context.set(native.cmd_ready, self.random.random() < self.ready_share)
        now = bool(self.due) and self.due[0][0] == cycle
        context.set(native.wdata_ready, now and self.due[0][1])
        context.set(native.rdata_valid, now and not self.due[0][1])
        context.set(native.rdata_data, self.bursts.get(self.due[0][2], 0) if now else self.random.getrandbits(128))

    def look(self, context: SimulatorContext, cycle: int) -> None:
        """What it takes at the cycle's end."""
        native = self.port.native
        if self.due and self.due[0][0] == cycle:
            _, write, address = self.due.popleft()
            if write:
                mask = sum(0xFF << 8 * place for place in range(16) if context.get(native.wdata_we) >> place & 1)
                self.bursts[address] = self.bursts.get(address, 0) & ~mask | context.get(native.wdata_data) & mask
        if context.get(native.cmd_valid) and context.get(native.cmd_ready):
            write, address = bool(context.get(native.cmd_we)), context.get(native.cmd_addr)
            self.commands.append((write, address))
            latency = WRITE_LATENCY if write else READ_LATENCY
            self.free = max(self.free + 2, cycle + latency, self.silent_until)
            self.due.append((self.free, write, address))


@dataclass
class Outcome:
    """Beats read, cycles that it took, and LiteDRAM's commands."""

    read: list[int]
    cycles: int
    commands: list[tuple[bool, int]]


def run(
    requests: list[tuple[int, bool, int]],
    ddr3: Ddr3Memory = ORANGECRAB,
    offered_share: float = 1,
    ready_share: float = 1,
    silent_until: int = 0,
    bursts: dict[int, int] | None = None,
) -> Outcome:
    """Requests as (address, write, data), to a memory that holds ``bursts``."""
    port, random = BurstPort(ddr3), Random(1)
    native, outcome = NativePort(port, random, ready_share, silent_until, bursts or {}), Outcome([], 0, [])
    expected = sum(not write for _, write, _ in requests)

    async def bench(context: SimulatorContext) -> None:
        left, offered, idle = deque(requests), False, 0
        while left or native.due or len(outcome.read) < expected or idle < IDLE_CYCLES:
            idle += not left
            offered = bool(left) and (offered or random.random() < offered_share)
            context.set(port.i.valid, offered)
            if offered:
                address, write, data = left[0]
                context.set(port.i.payload, {"address": address, "write": write, "data": data})
            native.set(context, outcome.cycles)
            if context.get(port.read_valid):
                outcome.read.append(context.get(port.read_data))
            if offered and context.get(port.i.ready):
                left.popleft()
                offered = False
            native.look(context, outcome.cycles)
            await context.tick()
            outcome.cycles += 1
            assert outcome.cycles < 1_000 + 100 * len(requests), "no end"

    simulator = Simulator(port)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    outcome.commands = native.commands
    return outcome


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("offered_share", [1, 0.5])
@pytest.mark.parametrize("ready_share", [1, 0.4])
def test_random_beats_are_what_was_written_last(bits: int, offered_share: float, ready_share: float) -> None:
    random, held = Random(2), dict[int, int]()
    requests, expected = [], []
    for _ in range(50):
        first, write = random.randrange(24), random.random() < 1 / 2
        for address in range(first, first + random.randrange(1, 7)):
            data = random.getrandbits(bits)
            requests.append((address, write, data))
            if write:
                held[address] = data
            else:
                expected.append(held.get(address, 0))
    assert run(requests, WIDTHS[bits], offered_share, ready_share).read == expected


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("write", [True, False])
def test_beats_in_a_row_take_one_burst_for_all_of_its_own_and_one_cycle_each(bits: int, write: bool) -> None:
    outcome = run([(address, write, address) for address in range(200)], WIDTHS[bits])
    assert outcome.commands == [(write, burst) for burst in range(200 * bits // 128)]
    assert outcome.cycles <= 200 + 25


@pytest.mark.parametrize(("bits", "burst"), [(32, 1), (64, 3)])
def test_a_beat_that_is_written_alone_does_not_wait_for_a_request_that_never_comes(bits: int, burst: int) -> None:
    assert run([(7, True, 1)], WIDTHS[bits]).commands == [(True, burst)]


@pytest.mark.parametrize("bits", WIDTHS)
def test_beats_of_a_burst_that_are_written_from_its_middle_leave_the_others_as_they_were(bits: int) -> None:
    count = 128 // bits
    requests = [*((address, True, 10 + address) for address in range(2 * count)), (count + 1, True, 99)]
    read = run([*requests, *((address, False, 0) for address in range(2 * count))], WIDTHS[bits]).read
    assert read == [99 if address == count + 1 else 10 + address for address in range(2 * count)]


def test_a_burst_that_was_read_last_is_not_asked_for_again() -> None:
    outcome = run([(4, True, 7), *((address, False, 0) for address in (4, 5, 4, 4, 6, 4))])
    assert outcome.read == [7, 0, 7, 7, 0, 7]
    assert outcome.commands == [(True, 2), (False, 2), (False, 3), (False, 2)]


def test_a_burst_that_was_written_since_is_asked_for_anew() -> None:
    outcome = run([(4, False, 0), (4, True, 7), (4, False, 0), (5, True, 8), (5, False, 0)])
    assert outcome.read == [0, 7, 8]


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("stride", [1, 128])
def test_bursts_that_come_late_and_all_at_once_lose_no_beat(bits: int, stride: int) -> None:
    addresses, count = [stride * place for place in range(3 * MOST_READS)], 128 // bits
    bursts = {address // count: sum(place << bits * place for place in range(count)) for address in addresses}
    bursts = {place: burst + sum(place << bits * k + 8 for k in range(count)) for place, burst in bursts.items()}
    late = run([(address, False, 0) for address in addresses], WIDTHS[bits], silent_until=200, bursts=bursts)
    assert late.read == [(address // count << 8) + address % count for address in addresses]
