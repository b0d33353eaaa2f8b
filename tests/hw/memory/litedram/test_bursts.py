"""The burst port over a native port in Python, which takes commands when it likes and answers late."""

from collections import deque
from dataclasses import dataclass, field
from random import Random

import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.memory.litedram.boards import ORANGECRAB
from hw.memory.litedram.bursts import BurstPort

WRITE_LATENCY, READ_LATENCY = 5, 9
IDLE_CYCLES = 5
"""Behind the last request, in which a command may still come."""


@dataclass
class NativePort:
    """Cycle by cycle: bursts in the order of their commands, one every second cycle."""

    port: BurstPort
    random: Random
    ready_share: float
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
            self.free = max(self.free + 2, cycle + (WRITE_LATENCY if write else READ_LATENCY))
            self.due.append((self.free, write, address))


@dataclass
class Outcome:
    """Beats read, cycles that it took, and LiteDRAM's commands."""

    read: list[int]
    cycles: int
    commands: list[tuple[bool, int]]


def run(requests: list[tuple[int, bool, int]], offered_share: float = 1, ready_share: float = 1) -> Outcome:
    """Requests as (address, write, data)."""
    port, random = BurstPort(ORANGECRAB), Random(1)
    native, outcome = NativePort(port, random, ready_share), Outcome([], 0, [])
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


@pytest.mark.parametrize("offered_share", [1, 0.5])
@pytest.mark.parametrize("ready_share", [1, 0.4])
def test_random_beats_are_what_was_written_last(offered_share: float, ready_share: float) -> None:
    random, held = Random(2), dict[int, int]()
    requests, expected = [], []
    for _ in range(50):
        first, write = random.randrange(12), random.random() < 1 / 2
        for address in range(first, first + random.randrange(1, 5)):
            data = random.getrandbits(64)
            requests.append((address, write, data))
            if write:
                held[address] = data
            else:
                expected.append(held.get(address, 0))
    assert run(requests, offered_share, ready_share).read == expected


def test_beats_in_a_row_take_one_burst_for_two_and_one_cycle_each() -> None:
    for write in (True, False):
        outcome = run([(address, write, address) for address in range(200)])
        assert outcome.commands == [(write, burst) for burst in range(100)]
        assert outcome.cycles <= 200 + 25


def test_a_beat_that_is_written_alone_does_not_wait_for_a_request_that_never_comes() -> None:
    assert run([(7, True, 1)]).commands == [(True, 3)]


def test_a_burst_that_is_read_a_third_time_is_asked_for_anew() -> None:
    outcome = run([(4, False, 0), (5, False, 0), (4, False, 0), (4, False, 0)])
    assert outcome.commands == [(False, 2), (False, 2), (False, 2)]
