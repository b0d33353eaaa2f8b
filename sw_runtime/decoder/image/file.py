"""Image files: the bytes of a board's memory, and a record of what they are, as safetensors keeps them."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from formats.card_image import card_octets
from formats.decoder.program import MatrixPlace, Program
from formats.decoder.words import VERSION, read_commands
from formats.engine import EngineParameters
from formats.errors import CheckpointError, InputError
from formats.matrices import Matrix
from hw.board.boards import BoardMemory
from sw_runtime.decoder.image.memory_map import AREAS, WHOLE, MemoryMap, fitted, program_engine
from sw_runtime.decoder.image.reading import MemoryReader
from sw_runtime.decoder.image.soundness import violations
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

    def area(self, name: str) -> Area:
        """The area of a name.

        Raises
        ------
        InputError
            With the names there are.
        """
        found = {area.name: area for area in self.areas}
        if name not in found:
            raise InputError(f"the image has no area {name!r}; it has {', '.join(found)}")
        return found[name]

    @property
    def embedding(self) -> int:
        """Address of a token's embedding; what lies before it stays as it is while a text is written."""
        return self.area("embedding").address


@dataclass(frozen=True)
class Image:
    """Contents, and every byte of memory below the cache: uint8."""

    contents: Contents
    memory: NDArray[np.uint8]

    @classmethod
    def of(
        cls,
        program: Program,
        matrices: Mapping[MatrixPlace, Matrix],
        board: BoardMemory,
        others: Mapping[str, Program] | None = None,
    ) -> "Image":
        """The image of a program, its context as long as the board's memory allows.

        Parameters
        ----------
        program
            The model's whole decoder.
        matrices
            Every matrix of all programs.
        board
            Whose memory it is.
        others
            Further programs by the names of their areas, over the cache and the rotary rows of the first.

        Raises
        ------
        InputError
            If it does not fit, before anything is laid out, the board's port cannot carry the formats, another
            program has no place beside the first, or one is not sound.
        """
        others = others or {}
        _check_beside(program, others)
        program, engine = fitted(program, board, others), program_engine(program, board, others.values())
        programs = {WHOLE: program} | {name: replace(each, rotary=program.rotary) for name, each in others.items()}
        places = MemoryMap.of(programs, engine)
        memory = memory_of(programs, matrices, engine, places)
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
        image = cls(contents, memory)
        for wrong in image.unsound():
            raise InputError(f"no board would run this: {wrong}")
        return image

    @property
    def programs(self) -> tuple[str, ...]:
        """Names of the programs."""
        return tuple(area.name for area in self.contents.areas if area.name not in AREAS)

    def read_programs(self) -> list[Program]:
        """What the bytes say of every program."""
        return [self.reader(name).program() for name in self.programs]

    def unsound(self) -> Iterator[str]:
        """What no board would run, of all programs: a line for each violation."""
        areas = {area.name: range(area.address, area.address + area.nbytes) for area in self.contents.areas}
        for name in self.programs:
            octets = self.memory[areas[name].start : areas[name].stop]
            commands = read_commands(octets.view("<u4").tolist())
            yield from (f"{name}, {wrong}" for wrong in violations(commands, areas, self.contents.engine))

    def reader(self, program: str = WHOLE) -> MemoryReader:
        """What the bytes say of one of the programs.

        Raises
        ------
        InputError
            If the image has no such program.
        """
        area = self.contents.area(program)
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

    def save_card(self, path: Path) -> None:
        """Write what a memory card for a board holds, whole or not at all: a block of header, then the memory.

        Raises
        ------
        FileExistsError
            If there is something at ``path``: nothing is written over.
        """
        with whole_output(path) as file:
            file.write_bytes(card_octets(self.memory.tobytes()))

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
            raise FileNotFoundError(f"{path} is no file; write one with `seedloom image FOLDER --board B -o FILE`")
        try:
            tensors, record = read_tensors(path)
            areas = tuple(Area(**area) for area in record.pop("areas"))
            contents = Contents(**record | {"formats": tuple(record["formats"]), "areas": areas})
            memory = tensors["memory"].numpy()
            if not {WHOLE, *AREAS} <= {area.name for area in areas}:
                raise ValueError("an area is missing")
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} is no image of a program; write it with `seedloom image`") from error
        if contents.version != VERSION:
            raise CheckpointError(f"{path} is of version {contents.version}, not {VERSION}; write it again")
        for area in areas:
            part = range(area.address, area.address + area.nbytes)
            if area.sha256 and _digest(memory, part) != area.sha256:
                raise CheckpointError(f"{path}: the {area.name} area is not what was written; write the image again")
        image = cls(contents, memory)
        for wrong in image.unsound():
            raise CheckpointError(f"{path}: {wrong}; write the image again")
        return image


def _check_beside(program: Program, others: Mapping[str, Program]) -> None:
    """Refuse programs that cannot share the first one's cache.

    Raises
    ------
    InputError
        Naming the program.
    """
    for name, other in others.items():
        if name in (WHOLE, *AREAS):
            raise InputError(f"{name!r} is an area of every image; call the program otherwise")
        if (other.dim, other.kv_bits) != (program.dim, program.kv_bits) or not _same_rows(other, program):
            raise InputError(
                f"{name}: width, cache or rotary rows are not the whole decoder's; compile both of one model"
            )
        if not set(other.cached) <= set(program.cached):
            raise InputError(f"{name} stores layers that the whole decoder does not; compile both of one model")


def _same_rows(one: Program, other: Program) -> bool:
    """Whether rotary rows are equal, as far as both have positions."""
    tables = [[table for rows in each.rotary for table in (rows.cos, rows.sin)] for each in (one, other)]
    least = min(one.positions, other.positions)
    equal = (np.array_equal(a[:least], b[:least]) for a, b in zip(*tables, strict=False))
    return len(one.rotary) == len(other.rotary) and all(equal)


def _digest(memory: NDArray[np.uint8], part: range) -> str:
    return hashlib.sha256(memory[part.start : part.stop].data).hexdigest()
