"""The baseline: area and clock that a design had, so that growth is noticed.

``synth/baseline.json`` is written by ``python -m synth --write-baseline``. It has the area of every design that is
synthesised for an ECP5, and the worst clock of those that were placed in the reference device.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from formats.errors import InputError
from synth.reports import Ecp5Area
from synth.tables import Measurement

FILE = Path(__file__).with_name("baseline.json")

TOLERANCE = 0.05
"""Share by which LUTs may grow, and the clock may fall."""

REMEDY = "if this is wanted: python -m synth --write-baseline"

Baseline = Mapping[str, Mapping[str, Any]]
"""Name of a design → its cells as ``Ecp5Area`` names them, and ``megahertz``, None where it was not placed."""


def read(file: Path = FILE) -> Baseline:
    """Read a baseline.

    Raises
    ------
    InputError
        If the file is missing or is no JSON.
    """
    try:
        baseline: Baseline = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError) as error:
        raise InputError(f"{file} has no baseline ({error}); python -m synth --write-baseline writes it") from None
    return baseline


def regressions(measurements: Sequence[Measurement], baseline: Baseline) -> list[str]:
    """A line for each figure that is worse than the baseline by more than ``TOLERANCE``, or has no baseline."""
    lines = []
    for m in measurements:
        if m.ecp5 is None:
            continue
        if m.design.name not in baseline:
            lines.append(f"{m.design.name} has no baseline; {REMEDY}")
            continue
        before = baseline[m.design.name]
        luts = Ecp5Area(**{key: count for key, count in before.items() if key != "megahertz"}).luts
        if m.ecp5.luts > luts * (1 + TOLERANCE):
            lines.append(f"{m.design.name} takes {m.ecp5.luts:,} LUT4, the baseline {luts:,}; {REMEDY}")
        clock = before["megahertz"]
        if clock is not None and m.megahertz is not None and m.megahertz < clock * (1 - TOLERANCE):
            lines.append(f"{m.design.name} reaches {m.megahertz:.1f} MHz, the baseline {clock:.1f}; {REMEDY}")
    return lines


def write(measurements: Sequence[Measurement], file: Path = FILE) -> None:
    """Put measurements into a baseline; designs that were not measured stay as they are.

    Raises
    ------
    InputError
        If the file is there and is no JSON.
    """
    baseline = dict(read(file)) if file.exists() else {}
    for m in measurements:
        if m.ecp5 is not None:
            baseline[m.design.name] = {**asdict(m.ecp5), "megahertz": m.megahertz and round(m.megahertz, 1)}
    lines = [f"  {json.dumps(name)}: {json.dumps(figures)}" for name, figures in baseline.items()]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
