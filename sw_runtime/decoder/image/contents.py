"""What an image says of itself: the record beside the bytes of the memory, which hashes itself too."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from formats.arguments import check_text, check_types
from formats.decoder.words import ALIGNMENT, VERSION
from formats.engine import EngineParameters
from formats.errors import CheckpointError, InputError
from sw_runtime.decoder.image.memory_map import AREAS, WHOLE
from sw_runtime.json_files import json_text

HASH = "sha256"
"""Entry of the record that is the SHA-256 of all others."""


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

    Raises
    ------
    InputError
        If one is of another type.
    """

    name: str
    address: int
    nbytes: int
    sha256: str

    def __post_init__(self) -> None:
        check_types(
            name=(self.name, str), address=(self.address, int), nbytes=(self.nbytes, int), sha256=(self.sha256, str)
        )


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
    port_bytes, formats, maximum_columns, maximum_rows, batch
        Of the engine that it needs; as many tokens are taken together.
    context
        Longest text, in tokens.
    kv_bits
        Bits of a cached key's or value's element.
    areas
        In the order of their addresses.

    Raises
    ------
    InputError
        If one is of another type, or no engine is of these sizes.
    """

    version: int
    board: str
    memory_bytes: int
    port_bytes: int
    formats: tuple[str, ...]
    maximum_columns: int
    maximum_rows: int
    batch: int
    context: int
    kv_bits: int
    areas: tuple[Area, ...]

    def __post_init__(self) -> None:
        check_types(
            version=(self.version, int),
            board=(self.board, str),
            memory_bytes=(self.memory_bytes, int),
            context=(self.context, int),
            kv_bits=(self.kv_bits, int),
        )
        check_text(board=self.board)
        _ = self.engine  # refuses what no engine has

    @property
    def engine(self) -> EngineParameters:
        """The engine that it needs."""
        sizes = {"maximum_columns": self.maximum_columns, "maximum_rows": self.maximum_rows, "batch": self.batch}
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
    def embeddings(self) -> int:
        """Address of the tokens' embeddings; what lies before it stays as it is while a text is written."""
        return self.area("embeddings").address

    def record(self) -> dict[str, Any]:
        """JSON values that ``of`` reads, with the hash of all of them."""
        entries = asdict(self)
        return entries | {HASH: _digest(entries)}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Contents":
        """What a record says.

        Raises
        ------
        CheckpointError
            If it was changed, is of another version, or no memory is laid out so; each says what to do.
        KeyError, TypeError, ValueError
            If it is no such record.
        """
        entries = {name: value for name, value in record.items() if name != HASH}
        if record[HASH] != _digest(entries):
            raise CheckpointError("the record is not what was written; write the image again")
        if entries["version"] != VERSION:
            raise CheckpointError(f"it is of version {entries['version']}, not {VERSION}; write it again")
        if "batch" not in entries:
            raise CheckpointError("it has no room for an embedding's exponent, as images have now; write it again")
        try:
            areas = tuple(Area(**area) for area in entries["areas"])
            contents = cls(**entries | {"formats": tuple(entries["formats"]), "areas": areas})
            _check_areas(contents)
        except InputError as error:
            raise CheckpointError(f"{error}; write the image again") from error
        return contents


def _check_areas(contents: Contents) -> None:
    """Refuse areas that do not follow each other from address 0 on, the cache last, or that an image lacks.

    Raises
    ------
    InputError
        Naming the area.
    """
    names, end = [area.name for area in contents.areas], 0
    if names[:1] != [WHOLE] or tuple(names[-len(AREAS) :]) != AREAS or len(set(names)) != len(names):
        raise InputError(f"an image has the areas {WHOLE}, {', '.join(AREAS)}, not {', '.join(names) or 'none'}")
    for area in contents.areas:
        if area.address != end or area.nbytes < 0 or area.nbytes % ALIGNMENT:
            raise InputError(
                f"the {area.name} area has {area.nbytes} bytes from {area.address} on; it begins at {end} and has a "
                f"multiple of {ALIGNMENT} bytes"
            )
        end += area.nbytes


def _digest(entries: Mapping[str, Any]) -> str:
    return hashlib.sha256(json_text(entries, sort_keys=True).encode()).hexdigest()
