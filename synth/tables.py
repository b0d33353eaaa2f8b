"""Measurements as tables, and where they stand in docs/hardware.md."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from formats.errors import InputError
from synth.boards import REFERENCE, Board
from synth.designs import Design
from synth.reports import Ecp5Area, Placement, Xc7Area

BEGIN, END = "<!-- begin: python -m synth -->", "<!-- end: python -m synth -->"

PAPER_LUTS, PAPER_REGISTERS, PAPER_MULTIPLIERS = 67_000, 45_400, 128
"""SeedLM's 4-bit design on a Virtex-7 class device (arXiv 2410.10714 as quoted by its readers)."""


@dataclass(frozen=True)
class Measurement:
    """What the tools say of a design; ``None`` for a family, and no placements, where none were asked for."""

    design: Design
    xc7: Xc7Area | None
    ecp5: Ecp5Area | None
    placements: tuple[Placement, ...]

    @property
    def megahertz(self) -> float | None:
        """The worst clock of all placements."""
        return min((p.megahertz for p in self.placements), default=None)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (header, *rows)]
    lines.insert(1, "|---|" + "---:|" * (len(header) - 1))
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}"


def ecp5_table(measurements: Sequence[Measurement], board: Board = REFERENCE) -> str:
    """Markdown: one line a design for the ECP5 of a board, area after synthesis and the routed clock."""
    header = [f"ECP5, {board.part}", "LUT4", "CCU2C", "FF", "MULT18", "EBR", "MHz, worst of the placements"]
    rows = []
    for m in measurements:
        if area := m.ecp5:
            counts = [area.lut4, area.carry, area.registers, area.multipliers, area.memories]
            clock = "not placed" if m.megahertz is None else f"{m.megahertz:.1f}"
            rows.append([m.design.name, *map(_number, counts), clock])
    return _table(header, rows)


def xc7_table(measurements: Sequence[Measurement]) -> str:
    """Markdown: one line a design for 7-series, and the paper's figures below them."""
    header = ["7-series, synthesis only", "LUT6, small LUTs paired", "LUT cells", "FF", "DSP48E1", "RAMB18"]
    rows = []
    for m in measurements:
        if area := m.xc7:
            counts = [area.logic_cells, area.luts, area.registers, area.multipliers, area.memories]
            rows.append([m.design.name, *map(_number, counts)])
    paper = [_number(PAPER_LUTS), "", _number(PAPER_REGISTERS), _number(PAPER_MULTIPLIERS), ""]
    rows.append(["*SeedLM's own FPGA design, 4 bits, 16 blocks a cycle (second-hand)*", *paper])
    return _table(header, rows)


def write(document: Path, text: str) -> None:
    """Replace what stands between the markers of a document.

    Raises
    ------
    InputError
        If the document is missing or lacks the markers, in that order.
    """
    if not document.exists():
        raise InputError(f"{document} does not exist; run from the project's root or name the document with --document")
    before, begin, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"{document} lacks the markers {BEGIN!r} and {END!r} between which the tables go")
    document.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
