"""What the start sequencer does, as steps of a read-only memory: writes, pauses and comparisons on the registers."""

import hashlib
from dataclasses import dataclass
from enum import Enum
from math import ceil

from hw.memory.litedram.boards import Ddr3Memory
from hw.memory.litedram.core import Core, Step

POWER_NS, RESET_NS = 200_000, 500_000
"""Reset lasts at least so long, and from its end to the clock enable. JEDEC JESD79-3, power-up initialisation."""

SETTLE_CLOCKS = 512
"""Chip's clocks after each further step of the start: as long as its clock loop and its drivers' calibration take
(tDLLK, tZQinit), and longer than any other distance of the start (tXPR, tMRD, tMOD). JEDEC JESD79-3."""

TEST_CYCLES = 32
"""Of ours from a write or read to what follows. The longest latency, write recovery or precharge is half of that."""

CS, WE, CAS, RAS, WRITE_DATA, READ_DATA = (1 << bit for bit in range(6))
"""Bits of a phase's command register."""

SOFTWARE_CONTROL, HARDWARE_CONTROL = 0b1110, 0b0001
"""Of the control register: the chip's clock enable, termination and no reset; or all to LiteDRAM's controller."""

PATTERNS = 2
"""Bursts that a setting has to read right."""


class Kind(Enum):
    """What a step does.

    ``WRITE`` a value; ``SELECT`` writes the lane's own bit; ``WAIT`` for a number of cycles; ``COMPARE`` the lane's
    bytes with a value; ``DETECT`` looks for the lane's own bit; ``END``.
    """

    WRITE = 0
    SELECT = 1
    WAIT = 2
    COMPARE = 3
    DETECT = 4
    END = 5


@dataclass(frozen=True)
class Instruction:
    """One step: its kind, the register's address, and a value of 32 bits."""

    kind: Kind
    address: int = 0
    value: int = 0


class Part(Enum):
    """Runs of steps that the sequencer calls by their names."""

    START = 0
    TEST = 1
    RESET_BITSLIP = 2
    NEXT_BITSLIP = 3
    RESET_DELAY = 4
    NEXT_DELAY = 5
    HAND_OVER = 6


def program(memory: Ddr3Memory, core: Core) -> tuple[list[Instruction], dict[Part, int]]:
    """All steps, and where each part begins."""
    assemble = _Assembler(memory, core)
    parts = {
        Part.START: assemble.start(),
        Part.TEST: [step for number in range(PATTERNS) for step in assemble.test(pattern(number))],
        Part.RESET_BITSLIP: assemble.of_lane("rdly_dq_bitslip_rst"),
        Part.NEXT_BITSLIP: assemble.of_lane("rdly_dq_bitslip"),
        Part.RESET_DELAY: assemble.of_lane("rdly_dq_rst"),
        Part.NEXT_DELAY: assemble.of_lane("rdly_dq_inc"),
        Part.HAND_OVER: [assemble.write("dfii_control0", HARDWARE_CONTROL)],
    }
    steps: list[Instruction] = []
    begins = {}
    for part, its in parts.items():
        begins[part] = len(steps)
        steps += [*its, Instruction(Kind.END)]
    return steps, begins


def pattern(number: int) -> int:
    """A burst that looks random: 128 bits, the lowest 16 are the first transfer."""
    return int.from_bytes(hashlib.sha256(bytes([number])).digest()[:16], "little")


@dataclass(frozen=True)
class _Assembler:
    memory: Ddr3Memory
    core: Core

    def write(self, register: str, value: int) -> Instruction:
        return Instruction(Kind.WRITE, self.core.registers[register], value)

    def start(self) -> list[Instruction]:
        """Reset, then LiteDRAM's own list, with the distances that JEDEC asks for."""
        steps = [self.write("dfii_control0", 0), self._wait(POWER_NS)]
        pauses = [RESET_NS] + [SETTLE_CLOCKS * 500 / self.memory.clock_mhz] * (len(self.core.start) - 1)
        for step, pause in zip(self.core.start, pauses, strict=True):
            steps += [*self._step(step), self._wait(pause)]
        return steps

    def _step(self, step: Step) -> list[Instruction]:
        if step.control is not None:
            return [self.write("dfii_control0", step.control)]
        return self._command(0, step.command, step.bank, step.address)

    def test(self, burst: int) -> list[Instruction]:
        """Write a burst to the chip's first page, read it, and compare."""
        halves = {(phase, half): burst >> (64 * phase + 32 * half) & 0xFFFFFFFF for phase in (0, 1) for half in (0, 1)}
        pause = Instruction(Kind.WAIT, value=TEST_CYCLES)
        return [
            *self._command(0, CS | RAS, 0, 0),
            *(self.write(f"dfii_pi{phase}_wrdata{half}", value) for (phase, half), value in halves.items()),
            *self._command(self.core.write_phase, CS | CAS | WE | WRITE_DATA, 0, 0),
            pause,
            self.write("burstdet_clr", 1),
            *self._command(self.core.read_phase, CS | CAS | READ_DATA, 0, 0),
            pause,
            *self._command(0, CS | RAS | WE, 0, 0),
            *(
                Instruction(Kind.COMPARE, self.core.registers[f"dfii_pi{phase}_rddata{half}"], value)
                for (phase, half), value in halves.items()
            ),
            Instruction(Kind.DETECT, self.core.registers["burstdet_seen"]),
        ]

    def of_lane(self, register: str) -> list[Instruction]:
        """Select the lane, act on it, select none."""
        return [
            Instruction(Kind.SELECT, self.core.registers["dly_sel0"]),
            self.write(register, 1),
            self.write("dly_sel0", 0),
        ]

    def _command(self, phase: int, command: int, bank: int, address: int) -> list[Instruction]:
        prefix = f"dfii_pi{phase}_"
        return [
            self.write(f"{prefix}address0", address),
            self.write(f"{prefix}baddress0", bank),
            self.write(f"{prefix}command0", command),
            self.write(f"{prefix}command_issue", 1),
        ]

    def _wait(self, nanoseconds: float) -> Instruction:
        return Instruction(Kind.WAIT, value=ceil(nanoseconds * self.memory.clock_mhz / 1000))
