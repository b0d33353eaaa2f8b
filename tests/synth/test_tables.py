"""Measurements become tables in a document."""

import re
from pathlib import Path

import pytest
from amaranth.lib import wiring

from synth.designs import Design
from synth.reports import Ecp5Area, Placement, Xc7Area
from synth.tables import BEGIN, END, Measurement, ecp5_table, write, xc7_table


def measurement(*megahertz: float) -> Measurement:
    return Measurement(
        Design("a lane", lambda _: wiring.Component({})),
        Xc7Area(luts=708, logic_cells=431, registers=295, multipliers=8, memories=0),
        Ecp5Area(lut4=1591, carry=219, registers=643, multipliers=8, memories=0) if megahertz else None,
        tuple(Placement(clock, 1232, ("a", "b")) for clock in megahertz),
    )


def test_the_worst_placement_counts() -> None:
    assert measurement(139.8, 131.2, 140.3).megahertz == 131.2
    assert ecp5_table([measurement(139.8, 131.24)]).splitlines()[-1] == (
        "| a lane | 1,591 | 219 | 643 | 8 | 0 | 131.2 |"
    )


def test_a_design_for_7_series_alone_has_no_clock_and_no_line_in_the_ecp5_table() -> None:
    assert measurement().megahertz is None
    assert len(ecp5_table([measurement()]).splitlines()) == len(ecp5_table([]).splitlines())


def test_a_design_that_is_synthesised_for_ecp5_alone_has_a_line_there_without_a_clock() -> None:
    area = Ecp5Area(lut4=5337, carry=1155, registers=3502, multipliers=2, memories=28)
    synthesised = Measurement(measurement().design, None, area, ())
    assert ecp5_table([synthesised]).splitlines()[-1] == "| a lane | 5,337 | 1,155 | 3,502 | 2 | 28 | not placed |"
    assert xc7_table([synthesised]) == xc7_table([])


def test_the_papers_figures_stand_below_ours() -> None:
    _, _, ours, paper = xc7_table([measurement()]).splitlines()
    assert ours == "| a lane | 431 | 708 | 295 | 8 | 0 |"
    assert paper.endswith("| 67,000 |  | 45,400 | 128 |  |")


def test_only_what_stands_between_the_markers_changes(tmp_path: Path) -> None:
    document = tmp_path / "hardware.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(document, "new")
    write(document, "newer")
    assert document.read_text() == f"before\n{BEGIN}\nnewer\n{END}\nafter\n"


@pytest.mark.parametrize("text", ["no markers", f"{END} {BEGIN}", f"{BEGIN} only"])
def test_a_document_without_markers_is_left_alone(tmp_path: Path, text: str) -> None:
    document = tmp_path / "hardware.md"
    document.write_text(text)
    with pytest.raises(ValueError, match=re.escape(f"hardware.md lacks the markers {BEGIN!r} and {END!r}")):
        write(document, "new")
    assert document.read_text() == text


def test_a_missing_document_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"hardware.md does not exist; .* name the document with --document"):
        write(tmp_path / "hardware.md", "new")
