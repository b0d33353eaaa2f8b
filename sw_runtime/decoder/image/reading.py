"""A program and its matrices out of the bytes of a board's memory, and out of nothing else."""

from collections.abc import Iterator
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from formats.block import BlockFormat
from formats.decoder.program import (
    Add,
    AddConstant,
    Answer,
    Attend,
    Command,
    Constant,
    Gate,
    MatrixPlace,
    Multiply,
    Normalise,
    Program,
    RotaryRows,
    Rotate,
    Slot,
    Store,
)
from formats.decoder.words import ACTIVATIONS, SLOTS, Opcode, read_commands
from formats.engine import EngineParameters
from formats.matrices import EncodedMatrix, Matrix
from formats.trellis import TrellisFormat
from formats.trellis_matrix import TrellisMatrix
from sw_runtime.decoder.image.memory_map import EXPONENTS_BYTES, matrix_bytes
from sw_runtime.device.layout import words_of
from sw_runtime.device.protocol import MatrixShape


class MemoryReader:
    """What the bytes of a memory say.

    Parameters
    ----------
    memory
        uint8, from address 0 to the cache.
    program_bytes
        Where the program is.
    engine
        Of the board.
    """

    def __init__(self, memory: NDArray[np.uint8], program_bytes: range, engine: EngineParameters) -> None:
        self._memory, self._engine = memory, engine
        words = memory[program_bytes.start : program_bytes.stop].view("<u4").tolist()
        (_, self._begin), *self._commands = read_commands(words)
        rotations = [values for opcode, values in self._commands if opcode == Opcode.ROTATE]
        self._rotary = {values["rows"]: values["width"] for values in rotations}
        self._layers = [values["keys"] for opcode, values in self._commands if opcode == Opcode.STORE]

    def program(self) -> Program:
        """The program; its matrices are called by the addresses of their weights."""
        commands = tuple(self._command(opcode, values) for opcode, values in self._commands)
        rotary = tuple(self._rotary_rows(address, width) for address, width in sorted(self._rotary.items()))
        return Program(commands, rotary, self._begin["dim"], self._begin["kv_bits"])

    def matrices(self) -> dict[MatrixPlace, Matrix]:
        """Every matrix by its place."""
        multiplying = [values for opcode, values in self._commands if opcode in (Opcode.MULTIPLY, Opcode.ANSWER)]
        return {self._place(values): self._matrix(values) for values in multiplying}

    def cache_parts(self, position: int) -> Iterator[range]:
        """Bytes of a position's keys, values and exponents, head by head of every layer: each whole words."""
        for opcode, values in self._commands:
            if opcode == Opcode.STORE:
                row = values["width"] * self._begin["kv_bits"] // 8
                for head in range(values["heads"]):
                    place = head * self._begin["positions"] + position
                    for part, nbytes in (("keys", row), ("values", row), ("exponents", EXPONENTS_BYTES)):
                        start = values[part] + place * nbytes
                        yield range(start, start + nbytes)

    def _numbers(self, address: int, dtype: str, count: int) -> NDArray[np.int64]:
        octets = self._memory[address : address + count * np.dtype(dtype).itemsize]
        return octets.view(dtype).astype(np.int64)

    def _constant(self, address: int, dtype: str, count: int, exponent: int) -> Constant:
        return Constant(tuple(self._numbers(address, dtype, count).tolist()), exponent)

    def _rotary_rows(self, address: int, width: int) -> RotaryRows:
        positions = self._begin["positions"]
        rows = self._numbers(address, "<i2", positions * width).astype(np.int16).reshape(positions, width // 2, 2)
        return RotaryRows(rows[..., 0], rows[..., 1])

    def _place(self, values: dict[str, int]) -> MatrixPlace:
        name = self._engine.formats[values["format"]]
        return MatrixPlace(f"{values['weights']:#x}", name, values["rows"], values["columns"])

    def _matrix(self, values: dict[str, int]) -> Matrix:
        place, weight_format = self._place(values), self._engine.weight_formats[values["format"]]
        octets = self._memory[values["weights"] : values["weights"] + matrix_bytes(place, self._engine)]
        words = words_of(octets, MatrixShape(place.format, place.rows, place.columns), self._engine)
        patterns = self._numbers(values["scales"], "<i2", place.rows).astype(np.int16)
        scales = torch.from_numpy(patterns).view(torch.bfloat16).float()
        if isinstance(weight_format, TrellisFormat):
            return TrellisMatrix(weight_format, words, scales, place.columns)
        return EncodedMatrix(cast(BlockFormat, weight_format), words, scales, place.columns)

    def _command(self, opcode: Opcode, values: dict[str, int]) -> Command:
        def slot(name: str) -> Slot:
            return SLOTS[values[name]]

        match opcode:
            case Opcode.NORMALISE:
                weight = self._constant(values["weights"], "<i2", values["width"], values["weights_exponent"])
                eps = Constant((values["eps"],), values["eps_exponent"])
                return Normalise(slot("source"), slot("destination"), weight, eps, values["heads"])
            case Opcode.MULTIPLY:
                slots = slot("source"), slot("destination")
                return Multiply(self._place(values), *slots, values["exponent"])
            case Opcode.ANSWER:
                return Answer(self._place(values), slot("source"), values["exponent"])
            case Opcode.ADD:
                return Add(slot("source"), slot("destination"))
            case Opcode.ADD_CONSTANT:
                constant = self._constant(values["constant"], "<i4", values["length"], values["exponent"])
                return AddConstant(constant, slot("destination"))
            case Opcode.ROTATE:
                rows = sorted(self._rotary).index(values["rows"])
                scale = Constant((values["factor"],), values["factor_exponent"]) if values["factor"] else None
                return Rotate(slot("slot"), values["heads"], rows, scale)
            case Opcode.STORE:
                layer = self._layers.index(values["keys"])
                slots = slot("key_slot"), slot("value_slot")
                return Store(layer, *slots, values["heads"], bool(values["of_set"]))
            case Opcode.ATTEND:
                layer, slots = self._layers.index(values["keys"]), (slot("source"), slot("destination"))
                heads = values["heads"], values["kv_heads"]
                return Attend(layer, *slots, *heads, values["window"] or None, bool(values["of_set"]))
            case Opcode.GATE:
                slots = slot("gate"), slot("up")
                return Gate(*slots, slot("destination"), ACTIVATIONS[values["activation"]])
        raise AssertionError(f"{opcode.name} is no command")
