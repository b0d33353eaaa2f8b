"""Image files: the bytes of a board's memory, and a record of what they are, as safetensors keeps them."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from formats.decoder.program import MatrixPlace, Program
from formats.decoder.words import VERSION
from formats.engine import EngineParameters
from formats.errors import CheckpointError
from formats.matrices import Matrix
from hw.board.boards import BoardMemory
from sw_runtime.decoder.image.memory_map import MemoryMap, fitted, program_engine
from sw_runtime.decoder.image.reading import MemoryReader
from sw_runtime.decoder.image.writing import memory_of
from sw_runtime.export.output import whole_output
from sw_runtime.whole_files import read_tensors, write_tensors


@dataclass(frozen=True)
class Area:
    """A part of the memory.

    Parameters
    ----------
    name
        Of the part.
    address, nbytes
        Its bytes.
    sha256
        Of them, hexadecimal; empty for the cache, which an image does not hold.
    """

    name: str
    address: int
    nbytes: int
    sha256: str


@dataclass(frozen=True)
class Contents:
    """What an image says of itself.

    Parameters
    ----------
    version
        Of the program's words.
    board
        For which it was made.
    memory_bytes
        Of the board.
    port_bytes, formats, maximum_columns, maximum_rows
        Of the engine that it needs.
    context
        Longest text, in tokens.
    kv_bits
        Bits of a cached key's or value's element.
    areas
        In the order of their addresses.
    """

    version: int
    board: str
    memory_bytes: int
    port_bytes: int
    formats: tuple[str, ...]
    maximum_columns: int
    maximum_rows: int
    context: int
    kv_bits: int
    areas: tuple[Area, ...]

    @property
    def engine(self) -> EngineParameters:
        """The engine that it needs."""
        sizes = {"maximum_columns": self.maximum_columns, "maximum_rows": self.maximum_rows}
        return EngineParameters(self.formats, port_bytes=self.port_bytes, **sizes)

    @property
    def embedding(self) -> int:
        """Address of a token's embedding; what lies before it stays as it is while a text is written."""
        return next(area.address for area in self.areas if area.name == "embedding")


@dataclass(frozen=True)
class Image:
    """Contents, and every byte of memory below the cache: uint8."""

    contents: Contents
    memory: NDArray[np.uint8]

    @classmethod
    def of(cls, program: Program, matrices: Mapping[MatrixPlace, Matrix], board: BoardMemory) -> "Image":
        """The image of a program, its context as long as the board's memory allows.

        Raises
        ------
        InputError
            If it does not fit, before anything is laid out, or the board's port cannot carry the formats.
        """
        program, engine = fitted(program, board), program_engine(program, board)
        places = MemoryMap.of(program, engine)
        memory = memory_of(program, matrices, engine, places)
        areas = tuple(
            Area(name, part.start, len(part), "" if name == "cache" else _digest(memory, part))
            for name, part in places.areas.items()
        )
        contents = Contents(
            VERSION,
            board.name,
            board.size_bytes,
            engine.port_bytes,
            engine.formats,
            engine.maximum_columns,
            engine.maximum_rows,
            program.positions,
            program.kv_bits,
            areas,
        )
        return cls(contents, memory)

    def reader(self) -> MemoryReader:
        """What the bytes say."""
        area = self.contents.areas[0]
        return MemoryReader(self.memory, range(area.address, area.address + area.nbytes), self.contents.engine)

    def save(self, path: Path) -> None:
        """Write it, whole or not at all.

        Raises
        ------
        FileExistsError
            If there is something at ``path``: nothing is written over.
        """
        with whole_output(path) as file:
            write_tensors(file, {"memory": torch.from_numpy(self.memory)}, asdict(self.contents))

    @classmethod
    def load(cls, path: Path) -> "Image":
        """Read an image and compare its hashes.

        Raises
        ------
        FileNotFoundError
            If it is not there.
        CheckpointError
            If it is no image of this version, or was changed.
        """
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not there; write it with `seedloom image FOLDER --board B -o {path}`")
        try:
            tensors, record = read_tensors(path)
            areas = tuple(Area(**area) for area in record.pop("areas"))
            contents = Contents(**record | {"formats": tuple(record["formats"]), "areas": areas})
            memory = tensors["memory"].numpy()
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} is no image of a program; write it with `seedloom image`") from error
        if contents.version != VERSION:
            raise CheckpointError(f"{path} is of version {contents.version}, not {VERSION}; write it again")
        for area in areas:
            part = range(area.address, area.address + area.nbytes)
            if area.sha256 and _digest(memory, part) != area.sha256:
                raise CheckpointError(f"{path}: the {area.name} area is not what was written; write the image again")
        return cls(contents, memory)


def _digest(memory: NDArray[np.uint8], part: range) -> str:
    return hashlib.sha256(memory[part.start : part.stop].data).hexdigest()
