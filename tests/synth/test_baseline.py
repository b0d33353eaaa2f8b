"""Designs are held to the area and clock that they had."""

from dataclasses import replace
from pathlib import Path

import pytest

from formats.errors import InputError
from synth import baseline
from synth.designs import DESIGNS, ECP5_MULTIPLIER_BITS, Design
from synth.flow import Flow
from synth.reports import Ecp5Area, Placement
from synth.tables import Measurement

SMALL = ("SDRAM controller", "memory port, 4 bytes", "scaled-3bit lane")
"""Synthesised in every run of the tests; ``make synth`` holds all designs to the baseline."""

AREA = Ecp5Area(lut4=800, carry=100, registers=643, multipliers=8, memories=0)


def measurement(area: Ecp5Area | None = AREA, *megahertz: float) -> Measurement:
    design = Design("a lane", DESIGNS["scaled-4bit lane"].build)
    return Measurement(design, None, area, tuple(Placement(clock, 1232, ("a", "b")) for clock in megahertz))


@pytest.fixture
def kept(tmp_path: Path) -> baseline.Baseline:
    """A baseline of 1,000 LUT4 and 100 MHz."""
    file = tmp_path / "baseline.json"
    baseline.write([measurement(AREA, 120.0, 100.0)], file)
    return baseline.read(file)


@pytest.mark.parametrize("name", SMALL)
def test_a_small_design_is_not_larger_than_it_was(tmp_path: Path, name: str) -> None:
    design = DESIGNS[name]
    area = Flow(tmp_path).ecp5(design.build(ECP5_MULTIPLIER_BITS))
    assert baseline.regressions([Measurement(design, None, area, ())], baseline.read()) == []


def test_every_design_for_ecp5_has_a_baseline() -> None:
    assert set(baseline.read()) == {name for name, design in DESIGNS.items() if design.ecp5}


@pytest.mark.parametrize(("lut4", "carry"), [(850, 100), (0, 525)])
def test_five_percent_more_luts_are_borne(kept: baseline.Baseline, lut4: int, carry: int) -> None:
    larger = measurement(replace(AREA, lut4=lut4, carry=carry), 100.0)
    assert baseline.regressions([larger], kept) == []


@pytest.mark.parametrize(("lut4", "carry"), [(851, 100), (1, 525)])
def test_more_are_not_and_the_line_names_design_and_both_numbers(
    kept: baseline.Baseline, lut4: int, carry: int
) -> None:
    larger = measurement(replace(AREA, lut4=lut4, carry=carry), 100.0)
    assert baseline.regressions([larger], kept) == [
        "a lane takes 1,051 LUT4, the baseline 1,000; if this is wanted: python -m synth --write-baseline"
    ]


def test_five_percent_less_clock_in_the_worst_placement_is_borne(kept: baseline.Baseline) -> None:
    assert baseline.regressions([measurement(AREA, 130.0, 95.0)], kept) == []


def test_less_is_not_and_the_line_names_design_and_both_numbers(kept: baseline.Baseline) -> None:
    assert baseline.regressions([measurement(AREA, 130.0, 94.9)], kept) == [
        "a lane reaches 94.9 MHz, the baseline 100.0; if this is wanted: python -m synth --write-baseline"
    ]


def test_a_design_that_was_not_placed_this_time_has_no_clock_to_compare(kept: baseline.Baseline) -> None:
    assert baseline.regressions([measurement(AREA)], kept) == []


def test_a_design_for_another_family_has_no_baseline(kept: baseline.Baseline) -> None:
    assert baseline.regressions([measurement(None)], {}) == []


def test_a_new_design_asks_for_a_baseline() -> None:
    assert baseline.regressions([measurement()], {}) == [
        "a lane has no baseline; if this is wanted: python -m synth --write-baseline"
    ]


def test_writing_leaves_designs_that_were_not_measured(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    other = replace(measurement(AREA, 90.04), design=Design("another", DESIGNS["fp16 lane"].build))
    baseline.write([other], file)
    baseline.write([measurement()], file)
    assert {name: figures["megahertz"] for name, figures in baseline.read(file).items()} == {
        "another": 90.0,
        "a lane": None,
    }


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    file.write_text("{")
    with pytest.raises(InputError, match=r"baseline.json has no baseline \(.*\); python -m synth --write-baseline"):
        baseline.read(file)
