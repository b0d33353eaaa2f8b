"""The engine's ports as its Verilog has them, and what each is for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from amaranth.lib.wiring import In

from formats.engine import EngineParameters
from hw.engine.engine import Engine
from hw.engine.sequencer import command_layout

HANDSHAKE = {
    "valid": "a payload is offered; it stays until it is taken",
    "ready": "the offer is taken at the next rising edge of `clk`",
}

PAYLOADS = {
    "i_command": "the product to run, see its fields below",
    "i_data": "a beat of the memory port: first the activations, then the weights",
    "o_results": "results of 64 signed bits, lane after lane, the lowest first",
}

FIELDS = {
    "format": "position of the matrix's format among those of the engine",
    "column_blocks": "blocks of a row, less one",
    "row_groups": "groups of as many rows as lanes, less one",
    "vectors": "vectors of activations, less one",
}


@dataclass(frozen=True)
class Port:
    """A port: name, ``input`` or ``output``, bits and meaning."""

    name: str
    direction: str
    width: int
    meaning: str


def engine_ports(engine: Engine) -> list[Port]:
    """Every port of the engine, clock and reset first. Those of no bits are not in the Verilog and not here."""
    return [
        Port("clk", "input", 1, "clock; everything happens at its rising edge"),
        Port("rst", "input", 1, "reset, taken at a rising edge; not needed after power-up"),
        *(port for port in _stream_ports(engine) if port.width),
    ]


def command_fields(parameters: EngineParameters) -> list[tuple[str, int]]:
    """Name and bits of the command's fields, the lowest first; those of no bits are left out."""
    fields = [(str(name), field.width) for name, field in command_layout(parameters)]
    return [(name, width) for name, width in fields if width]


def _stream_ports(engine: Engine) -> Iterator[Port]:
    for path, member, value in engine.signature.flatten(engine):
        stream, part = str(path[0]), str(path[-1])
        bits = len(value.as_value()) if hasattr(value, "as_value") else len(value)
        meaning = PAYLOADS[stream] if part == "payload" else HANDSHAKE[part]
        yield Port("__".join(map(str, path)), "input" if member.flow == In else "output", bits, meaning)


def ports_text(engine: Engine) -> str:
    """The ports and the command's fields as Markdown tables."""
    ports = [(f"`{port.name}`", port.direction, str(port.width), port.meaning) for port in engine_ports(engine)]
    fields, low = [], 0
    for name, width in command_fields(engine.parameters):
        fields.append((f"`{name}`", f"{low + width - 1}:{low}", FIELDS[name]))
        low += width
    tables = [_table(("port", "direction", "bits", "meaning"), ports)]
    if fields:
        tables.append("Fields of `i_command__payload`:\n\n" + _table(("field", "bits", "meaning"), fields))
    return "\n\n".join(tables)


def _table(title: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [title, ["---"] * len(title), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
