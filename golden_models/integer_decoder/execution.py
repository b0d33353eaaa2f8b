"""A program of ``formats.decoder`` run command by command."""

from collections.abc import Mapping

import torch
from torch import Tensor

from formats.decoder.program import (
    Add,
    AddConstant,
    Answer,
    Attend,
    Command,
    Gate,
    MatrixPlace,
    Multiply,
    Normalise,
    Program,
    Rotate,
    Slot,
    Store,
)
from formats.errors import InputError
from golden_models.integer_decoder import operations
from golden_models.integer_decoder.attention import Cache, attend
from golden_models.integer_decoder.operations import IntegerMatrix
from golden_models.integer_decoder.vectors import Vector


class IntegerDecoder:
    """One sequence; its keys and values are kept.

    Parameters
    ----------
    program
        What is computed.
    matrices
        Integers and scales of every layer that the program names.
    """

    def __init__(self, program: Program, matrices: Mapping[str, IntegerMatrix]) -> None:
        self.program, self.matrices = program, matrices
        self.caches: dict[int, Cache] = {}
        self.tokens = 0
        self._slots: dict[Slot, Vector] = {}
        self._positions = torch.arange(0)

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Keys of the logits of the tokens after those before: real [T, dim] → int64 [T, vocabulary].

        Several tokens at once are the same as one after the other: each is a vector of its own and sees none after it.

        Raises
        ------
        InputError
            If the text grows longer than the program's rotary rows.
        """
        if self.tokens + len(embeddings) > self.program.positions:
            raise InputError(
                f"the program is compiled for {self.program.positions} positions, and the text has "
                f"{self.tokens + len(embeddings)} tokens; compile it for more"
            )
        self._slots = {Slot.STREAM: Vector.from_real(embeddings)}
        self._positions = torch.arange(self.tokens, self.tokens + len(embeddings))
        keys = torch.empty(0, dtype=torch.int64)
        for command in self.program.commands:
            if isinstance(command, Answer):
                matrix = self._matrix(command.matrix)
                keys = operations.answer(self._slots[command.source], matrix, command.exponent)
            else:
                self._run(command)
        self.tokens += len(embeddings)
        return keys

    def _run(self, command: Command) -> None:
        slots = self._slots
        match command:
            case Normalise():
                parts = slots[command.source].split(command.heads)
                slots[command.destination] = operations.rms_norm(parts, command.weight, command.eps).merged()
            case Multiply():
                matrix = self._matrix(command.matrix)
                slots[command.destination] = operations.multiply(slots[command.source], matrix, command.exponent)
            case Add():
                slots[command.destination] = operations.add(slots[command.destination], slots[command.source])
            case AddConstant():
                constant = Vector.constant(command.constant)
                slots[command.destination] = operations.add(slots[command.destination], constant)
            case Rotate():
                slots[command.slot] = self._rotated(command).merged()
            case Store():
                self._store(command)
            case Attend():
                queries = slots[command.source].split(command.heads)
                slots[command.destination] = attend(queries, self.caches[command.layer], self._mask(command)).merged()
            case Gate():
                gated = operations.gate(slots[command.gate], slots[command.up], command.activation)
                slots[command.destination] = gated

    def _matrix(self, place: MatrixPlace) -> IntegerMatrix:
        matrix, rows = self.matrices[place.name], slice(place.first_row, place.first_row + place.rows)
        return IntegerMatrix(matrix.integers[rows], matrix.scales[rows])

    def _rotated(self, command: Rotate) -> Vector:
        rows = self.program.rotary[command.rows]
        cos, sin = (torch.from_numpy(table).long()[self._positions][:, None] for table in (rows.cos, rows.sin))
        turned = operations.rotate(self._slots[command.slot].split(command.heads), cos, sin)
        return turned if command.scale is None else operations.scale(turned, command.scale)

    def _store(self, command: Store) -> None:
        bits = self.program.kv_bits - 1
        keys, values = (self._slots[slot].split(command.heads).to_bits(bits) for slot in (command.keys, command.values))
        new = Cache(keys, values)
        self.caches[command.layer] = self.caches[command.layer].then(new) if command.layer in self.caches else new

    def _mask(self, command: Attend) -> Tensor:
        """Of the tokens that the layer has cached, those not after each: the last rows are the tokens' own."""
        rows = torch.arange(len(self.caches[command.layer].keys.mantissas))
        distance = rows[-len(self._positions) :, None] - rows
        return (distance >= 0) & (distance < (command.window or len(distance[0]) + 1))
