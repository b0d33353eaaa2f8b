"""Random commands of the vector unit, and what the golden model makes of them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import torch

from formats.decoder.program import Constant
from formats.decoder.tables import ACTIVATION_BITS, FACTOR_BITS, MANTISSA_BITS, ROTARY_BITS, WEIGHT_BITS
from golden_models.integer_decoder import operations
from golden_models.integer_decoder.vectors import Vector
from hw.decoder.vector_command import Operation, command_layout
from hw.decoder.vector_pass import ACTIVATIONS

WORDS, SLOTS, ROOM = 96, 6, 16
BATCH = 3
"""Vectors that are loaded together, at most; other commands work on the first one's slots and words."""

VECTORS = 4
"""Slots that hold whole vectors; those behind them are for parts."""

PARTS = 2
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
        The vectors that it hands over, one a part.
    """

    bits: int
    words: list[int]
    leaves: tuple[Vector, ...] = ()

    @property
    def expected(self) -> list[tuple[int, int]]:
        """Words that leave, unsigned, each with its exponent."""
        return [(word, int(part.exponent)) for part in self.leaves for word in unsigned(part.mantissas)]


def unsigned(mantissas: torch.Tensor) -> list[int]:
    """Words as a port shows them."""
    return [word & WORD_MASK for word in mantissas.tolist()]


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
        """All vectors loaded, ``count`` random operations, and all vectors read whole."""
        loads = [self._load(slot) for slot in range(VECTORS)]
        drawn = (self._random.choice(self._kinds)() for _ in range(count))
        commands = [command for group in drawn for command in group]
        return [*loads, *commands, *(self._leave(slot, MANTISSA_BITS) for slot in range(VECTORS))]

    @property
    def _kinds(self) -> tuple[Callable[[], list[VectorCommand]], ...]:
        return (
            self._any_load,
            self._load_together,
            self._add,
            self._normalise,
            self._read,
            self._scale,
            self._gate,
            self._by_parts,
            self._loaded,
        )

    def _command(self, operation: Operation, exponents: Sequence[int] = (), of: int = 0, **fields: int) -> int:
        """A command, whose slots and words are those ``of`` one of the batch."""
        sides = [side for side in ("source", "destination") if side in fields]
        bases = {f"{side}_base": ROOM * fields[side] + of * WORDS for side in sides}
        slots = {side: fields[side] + of * SLOTS for side in sides}
        every = [*exponents, *(self._random.randrange(-9, 9) for _ in range(BATCH - len(exponents)))]
        constant = command_layout(WORDS, SLOTS, BATCH).const(
            {"operation": operation, "length": self._length, "parts": 1, "exponents": every, **fields, **bases, **slots}
        )
        return int(constant.as_value().value)

    def _load(self, slot: int) -> VectorCommand:
        (vector,) = self._drawn(slot, 1)
        command = self._command(Operation.LOAD, [int(vector.exponent)], destination=slot)
        return VectorCommand(command, unsigned(vector.mantissas))

    def _load_together(self) -> list[VectorCommand]:
        """Several vectors whose words come by turns, one or two of each; all but the first leave at once."""
        slot, turn = self._random.randrange(VECTORS), self._random.choice((1, 2))
        vectors = self._drawn(slot, self._random.randint(1, BATCH))
        words = [
            number << 32 | word
            for first in range(0, self._length, turn)
            for number, vector in enumerate(vectors)
            for word in unsigned(vector.mantissas[first : first + turn])
        ]
        exponents = [int(vector.exponent) for vector in vectors]
        load = self._command(Operation.LOAD, exponents, destination=slot, vectors=len(vectors) - 1)
        bits = self._random.choice((ACTIVATION_BITS, MANTISSA_BITS))
        return [
            VectorCommand(load, words),
            *(
                VectorCommand(self._command(Operation.READ, of=of, source=slot, bits=bits), [], (vector.to_bits(bits),))
                for of, vector in enumerate(vectors[1:], 1)
            ),
        ]

    def _drawn(self, slot: int, count: int) -> list[Vector]:
        """Vectors at random; the slot holds the first from now on."""
        vectors = [self._vector() for _ in range(count)]
        self._slots[slot:] = [vectors[0], *self._slots[slot + 1 :]]
        return vectors

    def _vector(self) -> Vector:
        random, bits = self._random, self._random.choice((0, 1, 12, 31, 31))
        values = [random.choice((1, random.random())) * random.choice((-1, 1)) for _ in range(self._length)]
        sizes = random.choice(((1, 1), (2**-9, 1), (1, 2**-9)))  # heads of unlike sizes
        values = [value * sizes[2 * place // self._length] for place, value in enumerate(values)]
        mantissas = [int(value * ((1 << bits) - 1)) for value in values]
        near, far = random.randrange(-2, 6) - bits, random.randrange(-200, 200)
        exponent = random.choice((near, near, random.randrange(-20, 20), far))
        return Vector.of(torch.tensor(mantissas), exponent)

    def _any_load(self) -> list[VectorCommand]:
        return [self._load(self._random.randrange(VECTORS))]

    def _add(self) -> list[VectorCommand]:
        source, destination = self._random.sample(range(VECTORS), 2)
        self._slots[destination] = operations.add(self._slots[destination], self._slots[source])
        return [VectorCommand(self._command(Operation.ADD, source=source, destination=destination), [])]

    def _normalise(self) -> list[VectorCommand]:
        random = self._random
        source, destination = random.randrange(VECTORS), random.randrange(VECTORS)
        limit = (1 << WEIGHT_BITS) - 1
        weights = [random.choice((limit, -limit, random.randint(-limit, limit))) for _ in range(self._length)]
        exponent, eps = random.randrange(-30, 5), random.choice((0, 1, random.getrandbits(24)))
        eps_exponent = 2 * random.choice((random.randrange(-40, 10), random.randrange(-200, 200)))
        self._slots[destination] = operations.rms_norm(
            self._slots[source], Constant(tuple(weights), exponent), Constant((eps,), eps_exponent)
        )
        command = self._command(
            Operation.NORMALISE,
            [exponent],
            source=source,
            destination=destination,
            eps=eps,
            eps_exponent=eps_exponent,
        )
        return [VectorCommand(command, [random.getrandbits(16) << 16 | weight & 0xFFFF for weight in weights])]

    def _read(self) -> list[VectorCommand]:
        bits = self._random.choice((7, ACTIVATION_BITS, MANTISSA_BITS))
        return [self._leave(self._random.randrange(VECTORS), bits)]

    def _leave(self, slot: int, bits: int) -> VectorCommand:
        command = self._command(Operation.READ, source=slot, bits=bits)
        return VectorCommand(command, [], (self._slots[slot].to_bits(bits),))

    def _loaded(self) -> list[VectorCommand]:
        """A gate or parts of a vector that nothing has evened out."""
        slot = self._random.randrange(VECTORS)
        return [self._load(slot), *self._random.choice((self._gate, self._by_parts))(slot)]

    def _grows(self, *slots: int) -> bool:
        """Whether products of these vectors might leave the exponents' bits."""
        return any(abs(int(self._slots[slot].exponent)) > 300 and self._slots[slot].bits > 0 for slot in slots)

    def _scale(self) -> list[VectorCommand]:
        random = self._random
        source, destination = random.randrange(VECTORS), random.randrange(VECTORS)
        if self._grows(source):
            return [self._load(source)]
        factor = Constant((random.getrandbits(FACTOR_BITS),), random.randrange(-30, 5))
        self._slots[destination] = operations.scale(self._slots[source], factor)
        fields = {"source": source, "destination": destination, "factor": factor.mantissas[0]}
        return [VectorCommand(self._command(Operation.SCALE, [factor.exponent], **fields), [])]

    def _gate(self, loaded: int | None = None) -> list[VectorCommand]:
        random = self._random
        source = random.randrange(VECTORS) if loaded is None else loaded
        up, destination = random.sample(range(VECTORS), 2)
        if self._grows(source, up):
            return [self._load(source), self._load(up)]
        if loaded is None and random.random() < 0.5:
            source = destination
        activation = random.randrange(len(ACTIVATIONS))
        gated = operations.gate(self._slots[source], self._slots[up], ACTIVATIONS[activation])
        self._slots[destination] = gated
        return [
            VectorCommand(
                self._command(Operation.ACTIVATE, source=source, destination=destination, activation=activation), []
            ),
            VectorCommand(self._command(Operation.GATE, source=up, destination=destination), []),
        ]

    def _by_parts(self, loaded: int | None = None) -> list[VectorCommand]:
        """A vector is split, its parts are turned and leave, are joined and leave together."""
        random, parts = self._random, PARTS if self._length % (2 * PARTS) == 0 else 1
        source = random.randrange(VECTORS) if loaded is None else loaded
        destination = random.randrange(VECTORS)
        size = {"length": self._length // parts, "parts": parts}
        held, turned = self._slots[source].split(parts), []
        commands = [VectorCommand(self._command(Operation.SPLIT, source=source, destination=VECTORS, **size), [])]
        if self._length % 2 == 0:
            angles = [[random.uniform(-math.pi, math.pi) for _ in range(size["length"] // 2)] for _ in range(parts)]
            cos, sin = (
                torch.tensor([[round(f(a) * (1 << ROTARY_BITS)) for a in row] for row in angles])
                for f in (math.cos, math.sin)
            )
            held = operations.rotate(held, cos, sin)
            turned = unsigned((cos & 0xFFFF | sin << 16).flatten())
            commands.append(VectorCommand(self._command(Operation.ROTATE, destination=VECTORS, **size), turned))
        bits = random.choice((7, ACTIVATION_BITS))
        leaves = tuple(Vector(*part) for part in zip(*_of_bits(held, bits), strict=True))
        commands.append(VectorCommand(self._command(Operation.READ, source=VECTORS, bits=bits, **size), [], leaves))
        self._slots[destination] = held.merged()
        join = self._command(Operation.JOIN, source=VECTORS, destination=destination, **size)
        return [*commands, VectorCommand(join, []), self._leave(destination, bits)]


def _of_bits(parts: Vector, bits: int) -> tuple[torch.Tensor, torch.Tensor]:
    rounded = parts.to_bits(bits)
    return rounded.mantissas, rounded.exponent
