"""A program executed token by token on the host, with the integers of the device."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from formats.matrices import Matrix
from sw_runtime.decoder import operations
from sw_runtime.decoder.attention import Cached, attend
from sw_runtime.decoder.image.memory_map import WHOLE, matrices_of
from sw_runtime.decoder.products import ScaledProduct
from sw_runtime.decoder.text import Text, check_row
from sw_runtime.decoder.vectors import Integers, Vector

TOKENS_AT_ONCE = 64
"""Tokens of a prompt that share one pass over the weights."""


class EmulatedDecoder(Text):
    """One text; its keys and values are kept.

    Parameters
    ----------
    program
        What is computed.
    matrices
        Every matrix of all programs.
    others
        Further programs over the same cache, by their names.
    """

    def __init__(
        self,
        program: Program,
        matrices: Mapping[MatrixPlace, Matrix],
        others: Mapping[str, Program] | None = None,
    ) -> None:
        super().__init__()
        self.program = program
        self._programs = {WHOLE: program, **(others or {})}
        places = dict.fromkeys(matrices_of(self._programs.values()))
        self._products = {place: ScaledProduct(matrices[place]) for place in places}
        self._caches: dict[int, tuple[Cached, Cached]] = {}
        self._slots: dict[Slot, Vector] = {}
        self._left_out = 0

    def take(
        self, embeddings: NDArray[Any], answers: int = 1, program: str = WHOLE, row: int | None = None
    ) -> Integers:
        """Read further tokens of the text: real [T, dim] → keys of the last tokens' logits, [answers, vocabulary].

        Each runs the program of that name. ``row`` is the first token's in the caches of a set, where the program
        has any; None is its position.

        Raises
        ------
        InputError
            If the text grows longer than the program's context, or there are fewer tokens than answers.
        """
        count = len(embeddings)
        if not 0 <= answers <= count or not count:
            raise InputError(f"{count} tokens give 0 to {count} answers, not {answers}")
        if self._tokens + count > self.program.positions:
            raise InputError(
                f"the program has a context of {self.program.positions} tokens, and the text {self._tokens + count}; "
                "give a shorter text, or compile the program for more"
            )
        check_row(row, self._tokens)
        self._left_out = 0 if row is None else self._tokens - row
        keys = []
        for first in range(0, count, TOKENS_AT_ONCE):
            chunk = embeddings[first : first + TOKENS_AT_ONCE]
            wanted = min(len(chunk), max(0, first + len(chunk) - (count - answers)))
            keys.append(self._take(self._programs[program], Vector.from_real(chunk), wanted))
        return np.concatenate(keys)

    def cached_keys(self, layer: int) -> NDArray[np.float64]:
        """Keys of a layer as they were cached, as real numbers: [tokens, heads, d]."""
        mantissas, exponents = self._caches[layer][0].read(0, self._tokens)
        return np.ldexp(mantissas, exponents[..., None]).swapaxes(0, 1)

    def _take(self, program: Program, stream: Vector, answers: int) -> Integers:
        self._slots = {Slot.STREAM: stream}
        count, keys = len(stream.mantissas), np.empty((0, program.matrices[-1].rows), dtype=np.int64)
        for command in program.commands:
            if not isinstance(command, Answer):
                self._run(command, count)
            elif answers:
                source = self._slots[command.source].last(answers)
                keys = self._products[command.matrix].answer(source, command.exponent)
        self._tokens += count
        return keys

    def _run(self, command: Command, count: int) -> None:
        slots = self._slots
        match command:
            case Normalise():
                parts = slots[command.source].split(command.heads)
                slots[command.destination] = operations.rms_norm(parts, command.weight, command.eps).merged()
            case Multiply():
                product = self._products[command.matrix]
                slots[command.destination] = product.multiply(slots[command.source], command.exponent)
            case Add():
                slots[command.destination] = operations.add(slots[command.destination], slots[command.source])
            case AddConstant():
                constant = Vector.constant(command.constant)
                slots[command.destination] = operations.add(slots[command.destination], constant)
            case Rotate():
                slots[command.slot] = self._rotated(command, count).merged()
            case Store():
                self._store(command)
            case Attend():
                queries = slots[command.source].split(command.heads)
                row = self._row(command)
                attended = attend(queries, *self._caches[command.layer], row, command.window)
                slots[command.destination] = attended.merged()
            case Gate():
                gated = operations.gate(slots[command.gate], slots[command.up], command.activation)
                slots[command.destination] = gated

    def _rotated(self, command: Rotate, count: int) -> Vector:
        rows, places = self.program.rotary[command.rows], slice(self._tokens, self._tokens + count)
        cos, sin = (table[places, None].astype(np.int64) for table in (rows.cos, rows.sin))
        turned = operations.rotate(self._slots[command.slot].split(command.heads), cos, sin)
        return turned if command.scale is None else operations.scale(turned, command.scale)

    def _store(self, command: Store) -> None:
        bits = self.program.kv_bits - 1
        parts = [self._slots[slot].split(command.heads).to_bits(bits) for slot in (command.keys, command.values)]
        if command.layer not in self._caches:
            width = parts[0].mantissas.shape[-1]
            self._caches[command.layer] = (Cached(command.heads, width), Cached(command.heads, width))
        for cached, part in zip(self._caches[command.layer], parts, strict=True):
            cached.write(self._row(command), part)

    def _row(self, command: Store | Attend) -> int:
        """Of the first token in the command's cache."""
        return self._tokens - (self._left_out if command.of_set else 0)
