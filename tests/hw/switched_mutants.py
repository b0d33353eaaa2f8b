"""Faults seeded into a copy of the hardware, all in one build, and the port that switches one on."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parents[2]


@dataclass(frozen=True)
class Mutant:
    """An expression of a source file, and a wrong one in its place.

    Parameters
    ----------
    file
        Name of the file, somewhere in the package of the unit.
    right
        Text that occurs in it once.
    wrong
        What replaces it.
    """

    file: str
    right: str
    wrong: str

    def __str__(self) -> str:
        return f"{self.file}: {self.right} → {self.wrong}"


_SWITCH = """
from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

CHOSEN = Signal(8)


class Switchable(wiring.Component):
    def __init__(self, unit):
        self.unit = unit
        super().__init__({**dict(unit.signature.members), "mutant": In(8)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = self.unit
        m.d.comb += CHOSEN.eq(self.mutant)
        outside = [port for port in self.signature.flatten(self) if port[0] != ("mutant",)]
        for (_, member, outer), (_, _, inner) in zip(outside, self.unit.signature.flatten(self.unit), strict=True):
            outer, inner = Value.cast(outer), Value.cast(inner)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        return m
"""

_CONVERT = """
import sys
from hw.switch import Switchable
from hw.verilog import convert
{imports}
sys.stdout.write(convert(Switchable({unit}), "{top}"))
"""


def switched_verilog(
    mutants: Sequence[Mutant], package: str, imports: str, unit: str, folder: Path, top: str = "accelerator"
) -> str:
    """Verilog of a unit with one port more, ``mutant``: 0 is the unit without a fault, k has mutant k - 1.

    Parameters
    ----------
    mutants
        The faults.
    package
        Folder of ``hw`` whose files they name.
    imports, unit
        Python that makes the unit.
    folder
        Where the changed copy of the hardware goes.
    top
        Name of the module.

    Raises
    ------
    ValueError
        If a mutant's file is not the only one of its name, or its text does not occur once in it.
    """
    shutil.copytree(SOURCES / "hw", folder / "hw")
    (folder / "hw" / "switch.py").write_text(_SWITCH)
    files = {path.name: path for path in (folder / "hw" / package).rglob("*.py")}
    for number, mutant in enumerate(mutants, start=1):
        if len(named := list((folder / "hw" / package).rglob(mutant.file))) != 1:
            raise ValueError(f"hw/{package} has {len(named)} files {mutant.file}, not one")
        text = files[mutant.file].read_text()
        if text.count(mutant.right) != 1:
            raise ValueError(f"{mutant.right!r} occurs {text.count(mutant.right)} times in {mutant.file}, not once")
        switched = f"Mux(CHOSEN == {number}, {mutant.wrong}, {mutant.right})"
        files[mutant.file].write_text(text.replace(mutant.right, switched))
    for file in {mutant.file for mutant in mutants}:
        text = files[file].read_text()
        needed = "from amaranth.hdl import Const, Mux\nfrom hw.switch import CHOSEN\n"
        files[file].write_text(text.replace("from amaranth.hdl import", needed + "from amaranth.hdl import", 1))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(SOURCES)))}
    command = [sys.executable, "-c", _CONVERT.format(imports=imports, unit=unit, top=top)]
    return subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True, text=True).stdout


def switch(mutants: Sequence[Mutant], unit: str) -> str:
    """C++ for the end of a harness, by which ``switch_on`` chooses one, and by which their library is found again.

    Parameters
    ----------
    mutants
        The faults of the build.
    unit
        Pointer to the unit's model, an expression of the simulation's ``handle``.
    """
    listed = "".join(f"// {mutant}\n" for mutant in mutants)
    return f'{listed}extern "C" void switch_mutant(void *handle, int mutant) {{ {unit}->mutant = mutant; }}\n'


def switch_on(library: Path, handle: int | ctypes.c_void_p, number: int) -> None:
    """Choose a mutant in an open simulation: 0 for none."""
    switch_mutant = ctypes.CDLL(str(library)).switch_mutant
    switch_mutant.argtypes = [ctypes.c_void_p, ctypes.c_int]
    switch_mutant(handle, number)
