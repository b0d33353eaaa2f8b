"""``seedloom simulate`` records every signal, and shows viewers the ones that matter."""

import json
from collections import defaultdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from formats.errors import DependencyError
from formats.router.descriptor import Opcode
from seedloom.cli import app
from sw_runtime.device.simulator.build import build_accelerator

PRODUCT = ["simulate", "product", "--rows", "5", "--cols", "29", "--port-bytes", "4"]


def read_waveform(file: Path) -> dict[str, list[int]]:
    """Every value of every signal, by what GTKWave calls it; it reads no file with a colon in a name."""
    scopes: list[str] = []
    names, values = defaultdict(list), defaultdict(list)
    for line in file.read_text().splitlines():
        match line.split():
            case ["$scope", _, name, "$end"]:
                scopes.append(name)
            case ["$upscope", "$end"]:
                scopes.pop()
            case ["$var", _, _, code, name, *range_, "$end"]:
                assert ":" not in name
                escape = "\\" if "." in name else ""
                names[code].append(".".join([*scopes, f"{escape}{name}{''.join(range_)}"]))
            case [bits, code] if bits.startswith("b"):
                for name in names[code]:
                    values[name].append(int(bits[1:], 2))
            case [change] if change[0] in "01":
                for name in names[change[1:]]:
                    values[name].append(int(change[0]))
    return values


def shown(save: Path) -> dict[str, dict[int, str]]:
    """Signals that a save file of GTKWave shows, and what it calls their values."""
    tables: dict[str, dict[int, str]] = {}
    table: dict[int, str] = {}
    for line in save.read_text().splitlines():
        if line.startswith("^"):
            rows = (save.parent / line.split()[1]).read_text().splitlines()
            table = {int(value, 16): name for value, name in (row.split() for row in rows)}
        elif line.startswith("TOP."):
            tables[line], table = table, {}
    return tables


def test_a_product_shows_words_weights_sums_and_states_by_their_names(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*PRODUCT, "--trace", str(tmp_path / "out.vcd")])
    assert result.exit_code == 0, result.output
    assert "trellis-4bit, 5 x 29, 1 lane: " in result.stdout
    assert "results equal the integer product: yes" in result.stdout
    recorded, tables = read_waveform(tmp_path / "out.vcd"), shown(tmp_path / "out.gtkw")
    assert len(tables) == 3 * 3 + 3 + 10 + 1
    assert set(tables) <= set(recorded)
    state = "TOP.accelerator.engine.sequencer.fsm_state[1:0]"
    assert {tables[state][value] for value in recorded[state]} == {"IDLE", "ACTIVATIONS", "WEIGHTS"}
    assert len(set(recorded["TOP.accelerator.engine.lane_0.generator_0.weights__7[7:0]"])) > 5
    commands = (tmp_path / "out.sucl").read_text().splitlines()
    assert commands == [*(f"variable_add {name.split('[')[0]}" for name in tables), "zoom_fit"]


def test_a_frame_of_the_router_shows_operations_and_states_by_their_names(tmp_path: Path) -> None:
    arguments = ["simulate", "router", "--n", "32", "--keep", "5", "--lanes", "4"]
    result = CliRunner().invoke(app, [*arguments, "--trace", str(tmp_path / "out.vcd")])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("LOAD: OK, 32 in ")
    assert "TOPK: OK, 5 in " in result.stdout
    assert "answers equal the golden unit's: yes" in result.stdout
    recorded, tables = read_waveform(tmp_path / "out.vcd"), shown(tmp_path / "out.gtkw")
    assert set(tables) <= set(recorded)
    assert len(set(recorded["TOP.accelerator.i_router_data__payload[97:0]"])) >= 8  # beats of 4 keys
    opcode = r"TOP.accelerator.router.\command.descriptor.opcode[7:0]"
    assert {Opcode.LOAD.name, Opcode.TOPK.name} <= {tables[opcode][value] for value in recorded[opcode]}
    states = "TOP.accelerator.router.row_unit.topk.fsm_state[2:0]"
    assert {"IDLE", "COUNT", "SEARCH", "KEEP"} <= {tables[states][value] for value in recorded[states]}


def test_json_has_the_same_figures(tmp_path: Path) -> None:
    arguments = [*PRODUCT, "--trace", str(tmp_path / "out.vcd"), "--json"]  # the simulator that is there already
    answer = json.loads(CliRunner().invoke(app, arguments).stdout)
    size = {"format": "trellis-4bit", "rows": 5, "columns": 29, "lanes": 1}
    assert answer == {**size, "cycles": answer["cycles"], "exact": True}
    assert answer["cycles"] > 5 * 4
    arguments = ["simulate", "router", "--n", "32", "--keep", "5", "--lanes", "4", "--json"]
    answer = json.loads(CliRunner().invoke(app, [*arguments, "--trace", str(tmp_path / "frame.vcd")]).stdout)
    assert answer["exact"] is True
    assert (answer["TOPK"]["status"], answer["TOPK"]["count"]) == ("OK", 5)


def test_the_commands_that_open_a_waveform_can_be_pasted(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*PRODUCT, "--trace", str(tmp_path / "my trace.vcd")])
    assert "open it with `gtkwave 'my trace.gtkw'` or `surfer -c 'my trace.sucl' 'my trace.vcd'`" in result.stdout


def test_the_format_of_gtkwave_itself_is_written_too(tmp_path: Path) -> None:
    for name in ("out.vcd", "out.fst"):
        result = CliRunner().invoke(app, [*PRODUCT, "--trace", str(tmp_path / name)])
        assert result.exit_code == 0, result.output
    assert (tmp_path / "out.fst").stat().st_size < (tmp_path / "out.vcd").stat().st_size / 4
    header = (tmp_path / "out.fst").read_bytes()[:9]
    assert header == bytes([0]) + (329).to_bytes(8, "big")  # a header block and its length


def test_without_lz4_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "false")
    with pytest.raises(DependencyError, match=r"apt install zlib1g liblz4-1\); a name that ends with .vcd"):
        build_accelerator(None, None, ".fst")


@pytest.mark.parametrize("command", [PRODUCT, ["simulate", "router"]])
def test_a_waveform_of_another_format_or_in_no_folder_is_refused(command: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*command, "--trace", str(tmp_path / "out.svg")])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: a waveform's name ends with .vcd or .fst, not as 'out.svg' does\n"
    result = CliRunner().invoke(app, [*command, "--trace", str(tmp_path / "nowhere" / "out.vcd")])
    assert result.stderr == f"error: {tmp_path / 'nowhere'} is no folder; name one that is there for the waveform\n"


def test_a_number_of_keys_that_no_router_takes_is_refused() -> None:
    result = CliRunner().invoke(app, ["simulate", "router", "--n", "20"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: --n must be")


@pytest.mark.parametrize("keep", ["0", "33"])
def test_no_key_or_more_keys_than_there_are_cannot_be_kept(keep: str) -> None:
    result = CliRunner().invoke(app, ["simulate", "router", "--n", "32", "--keep", keep])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"error: --keep must be 1 to 32, not {keep}\n"
