"""The program of a decoder: the commands that turn a token's embedding into logits.

A program belongs to one model. It is data: the same device runs every model that fits its memories.
``golden_models/integer_decoder`` defines what each command does, bit by bit.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Slot(StrEnum):
    """A place in the vector memory."""

    STREAM = "stream"
    NORMED = "normed"
    QUERY = "query"
    KEY = "key"
    VALUE = "value"
    ATTENDED = "attended"
    GATE = "gate"
    UP = "up"
    BRANCH = "branch"


@dataclass(frozen=True)
class Constant:
    """Numbers that a command brings along: ``mantissas * 2^exponent``."""

    mantissas: tuple[int, ...]
    exponent: int


@dataclass(frozen=True, eq=False)
class RotaryRows:
    """Cosines and sines of every position: int16 [positions, d/2] each, ``2^14`` is 1."""

    cos: NDArray[np.int16]
    sin: NDArray[np.int16]


@dataclass(frozen=True)
class MatrixPlace:
    """A matrix that a command multiplies by.

    Parameters
    ----------
    name
        Of the layer in the checkpoint.
    format
        Of its words.
    rows, columns
        Shape.
    first_row
        Where its rows begin in the layer's, which may hold several matrices.
    """

    name: str
    format: str
    rows: int
    columns: int
    first_row: int = 0


@dataclass(frozen=True)
class Normalise:
    """RMSNorm of a vector, or of each of its ``heads`` parts.

    Parameters
    ----------
    source, destination
        Slots; may be the same.
    weight
        15-bit magnitudes, one an element of a part, times √(elements of a part).
    eps
        The norm's ε times the elements of a part: one number of 24 bits, its exponent even.
    heads
        Parts.
    """

    source: Slot
    destination: Slot
    weight: Constant
    eps: Constant
    heads: int = 1


@dataclass(frozen=True)
class Multiply:
    """A matrix times a vector.

    Parameters
    ----------
    matrix
        Which.
    source, destination
        Slots.
    exponent
        Of the result, above that of the quantised vector; no result can then be clipped.
    """

    matrix: MatrixPlace
    source: Slot
    destination: Slot
    exponent: int


@dataclass(frozen=True)
class Add:
    """``destination += source``."""

    source: Slot
    destination: Slot


@dataclass(frozen=True)
class AddConstant:
    """``destination += constant``: a bias, 31-bit magnitudes."""

    constant: Constant
    destination: Slot


@dataclass(frozen=True)
class Rotate:
    """Rotary embedding of every head by the row of the token's position.

    Parameters
    ----------
    slot
        What is rotated, in place.
    heads
        Its heads.
    rows
        Number of the program's ``RotaryRows``.
    scale
        Factor of 17 bits that multiplies the result; None for none.
    """

    slot: Slot
    heads: int
    rows: int
    scale: Constant | None = None


@dataclass(frozen=True)
class Store:
    """Append a token's keys and values to a layer's cache.

    Parameters
    ----------
    layer
        Which cache.
    keys, values
        Slots.
    heads
        Heads of each.
    of_set
        The cache holds a set of the text's tokens, one behind the other; else every token, by its position.
    """

    layer: int
    keys: Slot
    values: Slot
    heads: int
    of_set: bool = False


@dataclass(frozen=True)
class Attend:
    """Softmax attention over a layer's cache.

    Parameters
    ----------
    layer
        Which cache.
    source, destination
        Slots of the queries, scaled so that scores count powers of two, and of the result.
    heads, kv_heads
        Query heads; key and value heads, each shared by as many neighbours.
    window
        Last positions that are seen, the token's own included; None for all.
    of_set
        As in ``Store``; then there is no window.
    """

    layer: int
    source: Slot
    destination: Slot
    heads: int
    kv_heads: int
    window: int | None
    of_set: bool = False


@dataclass(frozen=True)
class Gate:
    """``destination = activation(gate) * up``.

    Parameters
    ----------
    gate, up, destination
        Slots.
    activation
        Name of a table in ``formats.decoder.tables.GATES``.
    """

    gate: Slot
    up: Slot
    destination: Slot
    activation: str


@dataclass(frozen=True)
class Answer:
    """The head: logits as keys of the token router, 23-bit magnitudes.

    Parameters
    ----------
    matrix
        Which.
    source
        Slot.
    exponent
        Of the keys, the same for every token.
    """

    matrix: MatrixPlace
    source: Slot
    exponent: int


Command = Normalise | Multiply | Add | AddConstant | Rotate | Store | Attend | Gate | Answer


@dataclass(frozen=True)
class Program:
    """A decoder, compiled.

    Parameters
    ----------
    commands
        In their order, from the embedding in ``Slot.STREAM`` to ``Answer``.
    rotary
        Rows of the rotary embeddings; more than one where layers differ.
    dim
        Width of the residual stream.
    kv_bits
        Bits of a cached key's or value's element: 8 or 16.
    """

    commands: tuple[Command, ...]
    rotary: tuple[RotaryRows, ...]
    dim: int
    kv_bits: int

    @property
    def positions(self) -> int:
        """Longest context."""
        return len(self.rotary[0].cos)

    @property
    def matrices(self) -> tuple[MatrixPlace, ...]:
        """Every matrix, in the order they multiply."""
        return tuple(command.matrix for command in self.commands if isinstance(command, Multiply | Answer))

    @property
    def cached(self) -> tuple[int, ...]:
        """Layers whose keys and values it stores."""
        return tuple(command.layer for command in self.commands if isinstance(command, Store))

    @property
    def key_exponent(self) -> int:
        """A logit is its key times two to this power."""
        answer = self.commands[-1]
        assert isinstance(answer, Answer)
        return answer.exponent

    @property
    def lengths(self) -> tuple[int, ...]:
        """Elements of what each command makes, or stores."""
        found, lengths = {Slot.STREAM: self.dim}, []
        for command in self.commands:
            length = _length(command, found)
            if isinstance(command, Normalise | Multiply | Attend | Gate):
                found[command.destination] = length
            lengths.append(length)
        return tuple(lengths)

    @property
    def slot_words(self) -> dict[Slot, int]:
        """Words of vector memory that each slot takes: its longest vector."""
        longest = {Slot.STREAM: self.dim}
        for command in self.commands:
            if isinstance(command, Multiply):
                longest[command.destination] = max(longest.get(command.destination, 0), command.matrix.rows)
                longest[command.source] = max(longest.get(command.source, 0), command.matrix.columns)
        return longest

    @property
    def vector_words(self) -> int:
        """Words of vector memory of all slots."""
        return sum(self.slot_words.values())


def _length(command: Command, lengths: dict[Slot, int]) -> int:
    """Elements of what a command makes, or stores, where slots hold vectors of these lengths."""
    match command:
        case Normalise() | Attend():
            return lengths[command.source]
        case Multiply() | Answer():
            return command.matrix.rows
        case Add() | AddConstant():
            return lengths[command.destination]
        case Rotate():
            return lengths[command.slot]
        case Store():
            return lengths[command.keys]
        case Gate():
            return lengths[command.gate]
