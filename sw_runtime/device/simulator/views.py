"""What a viewer of waveforms shows first: lanes, words, weights, sums and states, for GTKWave and Surfer."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from amaranth.hdl import Fragment
from vcd.gtkw import GTKWSave, make_translation_filter

from formats.engine import EngineParameters
from formats.router.descriptor import Opcode, Status
from hw.router.parameters import UnitParameters
from hw.top import Accelerator
from sw_runtime.device.simulator.build import TOP

ROOT = f"TOP.{TOP}"
"""Where Verilator's waveforms begin."""

_DECLARATION = re.compile(
    r"^(?:module \\?(?P<module>\S+) .*| +(?:wire|reg) (?:signed )?(?P<range>\[\d+:0\])? ?\\?(?P<signal>[^\s;\[]+).*)$",
    re.MULTILINE,
)
"""Where a module of Amaranth's Verilog begins, and its signals."""


@dataclass(frozen=True)
class Line:
    """A signal as a viewer shows it.

    Parameters
    ----------
    group
        Heading that it stands under.
    path
        Its name in the waveform, below ``ROOT``.
    format
        ``"hex"``, ``"dec"`` or ``"signed"``.
    names
        What its values are called, if they have names.
    """

    group: str
    path: str
    format: str = "hex"
    names: Mapping[int, str] = field(default_factory=dict)


def engine_lines(parameters: EngineParameters) -> list[Line]:
    """Lines of an engine: ports, sequencer, every lane's word, weights and sums, accumulators."""
    lines = [
        *_stream_lines("ports", ("i_command", "i_data", "o_results")),
        *_state_lines(Accelerator(parameters, None)),
        *(Line("sequencer", f"engine.sequencer.{name}", "dec") for name in ("group", "block")),
    ]
    lanes = {each: parameters.lanes_for(each) for each in parameters.weight_formats}
    for number in range(max((lanes[each] for each in parameters.lane_formats), default=0)):
        group, lane = f"lane {number}", f"engine.lane_{number}"
        size = parameters.lane_formats[0].block_size
        lines.append(Line(group, f"{lane}.word"))
        lines += [Line(group, f"{lane}.generator_0.weights__{place}", "signed") for place in range(size)]
        lines += [Line(group, f"{lane}.sums__{vector}", "signed") for vector in range(parameters.batch)]
    for number in range(lanes[parameters.fp16_format] if parameters.fp16_format else 0):
        group, lane = f"FP16 lane {number}", f"engine.fp16_lane_{number}"
        lines.append(Line(group, f"{lane}.word"))
        lines += [Line(group, f"{lane}.sums__{vector}", "signed") for vector in range(parameters.batch)]
    for vector in range(parameters.batch):
        for lane_number in range(max(lanes.values())):
            place = f"engine.accumulators.accumulator_{vector}_{lane_number}"
            lines.append(Line("accumulators", place, "signed"))
    return lines


def router_lines(parameters: UnitParameters) -> list[Line]:
    """Lines of a router: ports, the command under way, states of all its parts, the trailer of the answer."""
    opcodes, statuses = _members(Opcode), _members(Status)
    command = "router.command"
    return [
        *_stream_lines("ports", ("i_router_command", "i_router_data", "o_router_answer")),
        Line("command", f"{command}.descriptor.opcode", names=opcodes),
        Line("command", f"{command}.status", names=statuses),
        *(Line("command", f"{command}.descriptor.{name}", "dec") for name in ("n", "x", "y", "z")),
        *_state_lines(Accelerator(None, parameters)),
        Line("trailer", "router.trailer.opcode", names=opcodes),
        Line("trailer", "router.trailer.status", names=statuses),
        *(Line("trailer", f"router.trailer.{name}", "dec") for name in ("count", "cycles")),
    ]


def write_views(waveform: Path, lines: list[Line], verilog: str) -> list[Path]:
    """Write a save file for GTKWave and a command file for Surfer beside a waveform, and the names of values.

    GTKWave reads the names from the files beside it; it is to be started in that folder. Surfer shows numbers.

    Parameters
    ----------
    waveform
        The waveform's file.
    lines
        What is shown.
    verilog
        The recorded accelerator.

    Returns
    -------
    The files, those to open first.
    """
    save, commands = waveform.with_suffix(".gtkw"), waveform.with_suffix(".sucl")
    tables: dict[str, Path] = {}
    called = _gtkwave_names(verilog, escaped=waveform.suffix == ".vcd")
    with save.open("w", encoding="utf-8") as file:
        view = GTKWSave(file)
        view.dumpfile(waveform.name, abspath=False)
        view.treeopen(f"{ROOT}.")
        for group in dict.fromkeys(line.group for line in lines):
            with view.group(group):
                for line in lines:
                    if line.group == group:
                        table = _table(waveform, line, tables) if line.names else None
                        name = table.name if table else None
                        shown = called[f"{ROOT}.{line.path}"]
                        view.trace(shown, datafmt=line.format, translate_filter_file=name)
    orders = [f"variable_add {ROOT}.{line.path}" for line in lines]
    commands.write_text("\n".join([*orders, "zoom_fit"]) + "\n", encoding="utf-8")
    return [save, commands, *tables.values()]


def _gtkwave_names(verilog: str, escaped: bool) -> dict[str, str]:
    """What GTKWave calls every signal: ``module.word[7:0]``; a name that holds a dot is escaped in a .vcd file."""
    called, module = {}, ""
    for found in _DECLARATION.finditer(verilog):
        if found["module"]:
            module = found["module"].partition("(")[0]
        else:
            escape = "\\" if escaped and "." in found["signal"] else ""
            called[f"TOP.{module}.{found['signal']}"] = f"TOP.{module}.{escape}{found['signal']}{found['range'] or ''}"
    return called


def _table(waveform: Path, line: Line, tables: dict[str, Path]) -> Path:
    """The file of a line's names; lines with the same names share one."""
    text = make_translation_filter(list(line.names.items()), datafmt="hex", size=_bits(line.names))
    if text not in tables:
        tables[text] = waveform.with_suffix(f".names-{len(tables)}.txt")
        tables[text].write_text(text, encoding="utf-8")
    return tables[text]


def _bits(names: Mapping[int, str]) -> int:
    """Bits of the hexadecimal digits that GTKWave prints: opcodes and statuses have 8, states as many as they need."""
    return 8 if names in (_members(Opcode), _members(Status)) else max(names).bit_length()


def _members(kind: type[IntEnum]) -> dict[int, str]:
    return {member.value: member.name for member in kind}


def _stream_lines(group: str, streams: tuple[str, ...]) -> Iterator[Line]:
    for stream in streams:
        yield from (Line(group, f"{stream}__{part}") for part in ("valid", "ready", "payload"))


def _state_lines(component: Accelerator) -> list[Line]:
    """The states of every part that has some."""

    def walk(fragment: Fragment, path: tuple[str, ...]) -> Iterator[Line]:
        for machine in fragment.generated.values():
            names = {number: name for name, number in machine.encoding.items()}
            yield Line(path[-1], ".".join([*path, machine.state.name]), names=names)
        for part, name, _ in fragment.subfragments:
            yield from walk(part, (*path, name))

    return list(walk(Fragment.get(component, None), ()))
