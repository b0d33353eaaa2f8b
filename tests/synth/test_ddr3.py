"""``python -m synth.ddr3``, without LiteDRAM and yosys."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hw.memory.litedram.boards import ECPIX5, ORANGECRAB, Ddr3Memory
from hw.memory.litedram.core import Core, Purpose
from synth import ddr3 as command
from synth.flow import Flow
from tests.hw.memory.litedram.cores import core_without_verilog

CELLS = {"LUT4": 2864, "CCU2C": 68, "TRELLIS_FF": 1825, "DP16KD": 2}


class ToolAtHand(Flow):
    """Keeps what it is given, and answers at once."""

    inputs: dict[str, str]

    def run(self, tool: str, arguments: list[str], inputs: dict[str, str], outputs: tuple[str, ...]) -> dict[str, str]:
        ToolAtHand.inputs = inputs
        return {"cells.json": json.dumps({"design": {"num_cells_by_type": CELLS}})}


@pytest.fixture(autouse=True)
def _at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def made(ddr3: Ddr3Memory, purpose: Purpose) -> Core:
        return core_without_verilog()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "Flow", ToolAtHand)
    monkeypatch.setattr(command, "core", made)


def test_the_cells_of_a_controller_are_printed() -> None:
    result = CliRunner().invoke(command.app, ["orangecrab"])
    assert result.output == "orangecrab: 2,864 LUT4, 68 CCU2C, 1,825 TRELLIS_FF, 2 DP16KD\n"


@pytest.mark.parametrize("ddr3", [ORANGECRAB, ECPIX5], ids=lambda ddr3: ddr3.name)
def test_what_is_synthesised_has_the_pads_of_the_board(ddr3: Ddr3Memory) -> None:
    assert CliRunner().invoke(command.app, [ddr3.name]).exit_code == 0
    netlist = ToolAtHand.inputs["top.il"]
    for pad, there in {
        "dq": True,
        "dqs_p": True,
        "cs_n": ddr3.select_and_reset,
        "reset_n": ddr3.select_and_reset,
    }.items():
        assert (f"\\ddram_{pad} " in netlist) == there


def test_a_memory_that_is_not_known_is_refused_in_one_line() -> None:
    result = CliRunner().invoke(command.app, ["ulx3s"])
    assert result.exit_code == 2
    assert "no DDR3 memory 'ulx3s'" in result.output
