"""``python -m synth``."""

import json
from pathlib import Path

import pytest
from amaranth.lib import wiring
from typer.testing import CliRunner

from synth import __main__ as command
from synth.boards import REFERENCE, Board
from synth.designs import DESIGNS, Design
from synth.flow import SEEDS, Flow, netlist
from synth.reports import Ecp5Area, Placement, Xc7Area
from synth.tables import BEGIN, END

DOCUMENT = f"before\n{BEGIN}\n{END}\nafter\n"


class ToolsAtHand(Flow):
    """Elaborates and answers at once; the tools themselves are tested beside ``flow``."""

    def ecp5(self, component: wiring.Component) -> Ecp5Area:
        netlist(component)
        return Ecp5Area(lut4=591, carry=219, registers=643, multipliers=8, memories=0)

    def xc7(self, component: wiring.Component) -> Xc7Area:
        netlist(component)
        return Xc7Area(luts=708, logic_cells=431, registers=295, multipliers=8, memories=0)

    def place(self, component: wiring.Component, seed: int, board: Board = REFERENCE) -> Placement:
        netlist(component)
        return Placement(20.0 * board.speed_grade + 20 - seed, 1232, ("a", "b"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "Flow", ToolsAtHand)
    lane = DESIGNS["scaled-4bit lane"]
    engine = Design("an engine", lane.build, lanes=16, ecp5=False)
    router = Design("a router", lane.build, lanes=4, xc7=False, placed=False)
    monkeypatch.setattr(command, "DESIGNS", {design.name: design for design in (lane, engine, router)})
    kept = {"lut4": 591, "carry": 219, "registers": 643, "multipliers": 8, "memories": 0, "megahertz": 137.0}
    (tmp_path / "kept.json").write_text(json.dumps(dict.fromkeys(("scaled-4bit lane", "a router"), kept)))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "hardware.md").write_text(DOCUMENT)
    return tmp_path


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(command.app, ["--baseline", "kept.json", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_a_whole_run_prints_the_tables_and_writes_them_into_the_document(folder: Path) -> None:
    status, output, progress = run()
    assert status == 0
    assert f"| scaled-4bit lane | 591 | 219 | 643 | 8 | 0 | {140 - max(SEEDS)}.0 |" in output
    assert output.count("| an engine |") == output.count("| an engine | 431 | 708 | 295 | 8 | 0 |") == 1
    assert output.count("| a router |") == output.count("| a router | 591 | 219 | 643 | 8 | 0 | not placed |") == 1
    assert (folder / "docs" / "hardware.md").read_text() == f"before\n{BEGIN}\n{output.strip()}\n{END}\nafter\n"
    assert f"{4 + len(SEEDS)}/{4 + len(SEEDS)}" in progress


def test_a_named_design_is_printed_and_leaves_the_document_alone(folder: Path) -> None:
    status, output, _ = run("an engine")
    assert status == 0
    assert "scaled-4bit lane" not in output
    assert (folder / "docs" / "hardware.md").read_text() == DOCUMENT


def test_a_run_for_a_board_names_its_device_and_leaves_the_document_alone(folder: Path) -> None:
    status, output, _ = run("--board", "ecpix5-85f")
    assert status == 0
    assert "| ECP5, LFE5UM5G-85F-8 | LUT4 |" in output
    assert f"| scaled-4bit lane | 591 | 219 | 643 | 8 | 0 | {180 - max(SEEDS)}.0 |" in output
    assert (folder / "docs" / "hardware.md").read_text() == DOCUMENT


def test_an_unknown_board_is_refused_with_the_known_ones(folder: Path) -> None:
    status, _, error = run("--board", "ulx3s")
    assert status == 2
    assert "unknown board 'ulx3s'; known are 'reference', 'ulx3s-25f'" in " ".join(error.replace("│", " ").split())


def test_json(folder: Path) -> None:
    status, output, _ = run("--json", "scaled-4bit lane")
    assert status == 0
    (found,) = json.loads(output)
    assert found["design"] == "scaled-4bit lane"
    assert found["megahertz"] == 140 - max(SEEDS)
    assert found["ecp5"]["multipliers"] == 8
    assert found["xc7"]["logic_cells"] == 431
    assert len(found["placements"]) == len(SEEDS)


def test_json_of_a_design_that_is_synthesised_for_ecp5_alone(folder: Path) -> None:
    status, output, _ = run("--json", "a router")
    assert status == 0
    (found,) = json.loads(output)
    assert found["ecp5"]["registers"] == 643
    assert (found["xc7"], found["placements"], found["megahertz"]) == (None, [], None)


def test_an_unknown_design_is_refused_with_the_known_ones(folder: Path) -> None:
    status, _, error = run("a lan")
    assert status == 2
    assert "unknown design 'a lan'" in error
    assert "'an engine'" in error


def test_a_document_without_markers_is_named(folder: Path) -> None:
    (folder / "docs" / "hardware.md").write_text("no markers")
    status, _, error = run()
    assert status == 2
    assert "lacks the markers" in error


def test_a_design_larger_than_its_baseline_fails_the_run(folder: Path) -> None:
    kept = folder / "kept.json"
    kept.write_text(kept.read_text().replace('"lut4": 591', '"lut4": 500'))
    status, output, error = run("a router")
    assert status == 1
    assert "| a router | 591 |" in output
    assert "error: a router takes 1,029 LUT4, the baseline 938; if this is wanted: python -m synth" in error


def test_what_was_measured_becomes_the_baseline_when_asked_for(folder: Path) -> None:
    (folder / "kept.json").unlink()
    assert run("--write-baseline", "a router")[0] == 0
    assert json.loads((folder / "kept.json").read_text())["a router"]["megahertz"] is None
    assert run("a router")[0] == 0


def test_a_missing_baseline_is_named(folder: Path) -> None:
    (folder / "kept.json").unlink()
    status, _, error = run("a router")
    assert status == 2
    assert "kept.json has no baseline" in error


def test_a_run_for_another_board_has_no_baseline(folder: Path) -> None:
    (folder / "kept.json").unlink()
    assert run("--board", "ecpix5-85f", "a router")[0] == 0


def test_every_design_can_be_built() -> None:
    for name, design in DESIGNS.items():
        assert design.name == name
        assert "module \\top" in netlist(design.build(18))
