"""Random commands of the vector unit, and what the golden model makes of them."""

from dataclasses import dataclass
from random import Random

import torch

from formats.decoder.program import Constant
from formats.decoder.tables import ACTIVATION_BITS, MANTISSA_BITS, WEIGHT_BITS
from golden_models.integer_decoder import operations
from golden_models.integer_decoder.vectors import Vector
from hw.decoder.vector_unit import Operation, command_layout

WORDS, SLOTS, ROOM = 64, 4, 16
LENGTHS = (1, 2, 7, 16)
WORD_MASK = (1 << 32) - 1


@dataclass(frozen=True)
class VectorCommand:
    """One command.

    Parameters
    ----------
    bits
        The command, as the unit takes it.
    words
        What it takes from ``i``, unsigned.
    leaves
        The vector that it hands over; None for none.
    """

    bits: int
    words: list[int]
    leaves: Vector | None

    @property
    def expected(self) -> list[int]:
        """Words that leave, unsigned."""
        return [] if self.leaves is None else [word & WORD_MASK for word in self.leaves.mantissas.tolist()]


class VectorCommands:
    """Makes commands, and keeps what the slots must hold.

    Parameters
    ----------
    random
        What is drawn from.
    length
        Elements of all vectors.
    """

    def __init__(self, random: Random, length: int) -> None:
        self._random, self._length = random, length
        self._slots: list[Vector] = []

    def sequence(self, count: int) -> list[VectorCommand]:
        """All slots loaded, ``count`` random commands, and all slots read whole."""
        loads = [self._load(slot) for slot in range(SLOTS)]
        kinds = [self._random.choice((self._any_load, self._add, self._normalise, self._read)) for _ in range(count)]
        return [*loads, *(kind() for kind in kinds), *(self._leave(slot, MANTISSA_BITS) for slot in range(SLOTS))]

    def _command(self, operation: Operation, **fields: int) -> int:
        bases = {f"{side}_base": ROOM * fields[side] for side in ("source", "destination") if side in fields}
        constant = command_layout(WORDS, SLOTS).const(
            {"operation": operation, "length": self._length, **fields, **bases}
        )
        return int(constant.as_value().value)

    def _load(self, slot: int) -> VectorCommand:
        random, bits = self._random, self._random.choice((0, 1, 12, 31, 31))
        values = [random.choice((1, random.random())) * random.choice((-1, 1)) for _ in range(self._length)]
        mantissas = [int(value * ((1 << bits) - 1)) for value in values]
        exponent = random.choice((random.randrange(-20, 20), random.randrange(-200, 200)))
        self._slots[slot:] = [Vector.of(torch.tensor(mantissas), exponent), *self._slots[slot + 1 :]]
        command = self._command(Operation.LOAD, destination=slot, exponent=exponent)
        return VectorCommand(command, [word & WORD_MASK for word in mantissas], None)

    def _any_load(self) -> VectorCommand:
        return self._load(self._random.randrange(SLOTS))

    def _add(self) -> VectorCommand:
        source, destination = self._random.sample(range(SLOTS), 2)
        self._slots[destination] = operations.add(self._slots[destination], self._slots[source])
        return VectorCommand(self._command(Operation.ADD, source=source, destination=destination), [], None)

    def _normalise(self) -> VectorCommand:
        random = self._random
        source, destination = random.randrange(SLOTS), random.randrange(SLOTS)
        limit = (1 << WEIGHT_BITS) - 1
        weights = [random.choice((limit, -limit, random.randint(-limit, limit))) for _ in range(self._length)]
        exponent, eps = random.randrange(-30, 5), random.choice((0, 1, random.getrandbits(24)))
        eps_exponent = 2 * random.choice((random.randrange(-40, 10), random.randrange(-200, 200)))
        self._slots[destination] = operations.rms_norm(
            self._slots[source], Constant(tuple(weights), exponent), Constant((eps,), eps_exponent)
        )
        command = self._command(
            Operation.NORMALISE,
            source=source,
            destination=destination,
            exponent=exponent,
            eps=eps,
            eps_exponent=eps_exponent,
        )
        return VectorCommand(command, [random.getrandbits(16) << 16 | weight & 0xFFFF for weight in weights], None)

    def _read(self) -> VectorCommand:
        return self._leave(self._random.randrange(SLOTS), self._random.choice((7, ACTIVATION_BITS, MANTISSA_BITS)))

    def _leave(self, slot: int, bits: int) -> VectorCommand:
        return VectorCommand(self._command(Operation.READ, source=slot, bits=bits), [], self._slots[slot].to_bits(bits))
