"""Image files: the bytes of a board's memory, and a record of what they are, as safetensors keeps them."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from formats.card_image import card_octets
from formats.decoder.program import MatrixPlace, Program
from formats.decoder.words import VERSION, read_commands
from formats.errors import CheckpointError, InputError
from formats.matrices import Matrix
from hw.board.boards import BoardMemory
from sw_runtime.decoder.image.contents import Area, Contents
from sw_runtime.decoder.image.memory_map import AREAS, WHOLE, MemoryMap, fitted, program_engine
from sw_runtime.decoder.image.reading import MemoryReader
from sw_runtime.decoder.image.soundness import violations
from sw_runtime.decoder.image.writing import check_sound, memory_of
from sw_runtime.export.output import whole_output
from sw_runtime.whole_files import read_tensors, write_tensors


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
        batch: int = 1,
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
        batch
            Tokens that are taken together, at most.

        Raises
        ------
        InputError
            If it does not fit, before anything is laid out, the board's port cannot carry the formats, another
            program has no place beside the first, or one is not sound.
        """
        others = others or {}
        _check_beside(program, others)
        engine = program_engine(program, board, others.values(), batch)
        program = fitted(program, board, others, batch)
        programs = {WHOLE: program} | {name: replace(each, rotary=program.rotary) for name, each in others.items()}
        places = MemoryMap.of(programs, engine)
        check_sound(programs, engine, places)
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
            engine.batch,
            program.positions,
            program.kv_bits,
            areas,
        )
        return cls(contents, memory)

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
            write_tensors(file, {"memory": torch.from_numpy(self.memory)}, self.contents.record())

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
            image = cls(Contents.of(record), tensors["memory"].numpy())
            image._check()
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from error
        except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{path} is no image of a program; write it with `seedloom image`") from error
        return image

    def _check(self) -> None:
        """Refuse bytes that are not what the contents say, or that no board would run.

        Raises
        ------
        CheckpointError
            Naming the area, or the command.
        """
        areas, memory = self.contents.areas, self.memory
        if memory.dtype != np.uint8 or memory.shape != (areas[-1].address,):
            raise CheckpointError("the memory is not as long as its record says; write the image again")
        for area in areas[:-1]:
            if _digest(memory, range(area.address, area.address + area.nbytes)) != area.sha256:
                raise CheckpointError(f"the {area.name} area is not what was written; write the image again")
        for wrong in self.unsound():
            raise CheckpointError(f"{wrong}; write the image again")


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
