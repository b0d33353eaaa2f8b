"""A host that sends short commands to a golden unit."""

from collections.abc import Iterable

from formats.router.answer import Answer
from formats.router.descriptor import Command, Flag, KeyFormat, Opcode, RouterParameters, Status
from formats.router.stream import to_bytes
from golden_models.router.unit import RouterUnit

SMALL = RouterParameters(lanes=4, keys=64, slots=8, sets=2, ways=2)


def command(opcode: Opcode, flags: int = 0, data: bool = False, **fields: int) -> Command:
    return Command(opcode, flags=flags | Flag.OUT | (Flag.DATA if data else 0), **fields)


class Host:
    """A unit, and commands written short: payloads are asked for, data flags set."""

    def __init__(self, parameters: RouterParameters = SMALL) -> None:
        self.unit = RouterUnit(parameters)

    def run(self, opcode: Opcode, elements: Iterable[int] = (), flags: int = 0, **fields: int) -> Answer:
        elements = list(elements)
        sent = command(opcode, flags, data=bool(elements), **fields)
        return self.unit.execute(sent, to_bytes(elements, sent))

    def load(self, keys: list[int], base: int = 0) -> None:
        assert self.run(Opcode.LOAD, keys, flags=KeyFormat.U24, n=len(keys), base=base).status == Status.OK

    def put(self, slot: int, word: int, n: int = 16) -> None:
        assert self.run(Opcode.PUTBM, [word], n=n, dst=slot).status == Status.OK

    def bitmap(self, slot: int, n: int = 16) -> tuple[int, ...]:
        return self.run(Opcode.GATHER, n=n, sa=slot, z=0xAAAA).payload


def state(unit: RouterUnit) -> tuple[object, ...]:
    memory = unit.memory
    return memory.keys.tolist(), memory.bitmaps.tolist(), list(memory.sets), vars(memory.counters).copy()
