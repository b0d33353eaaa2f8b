"""Boards with DDR3 memory: their pins and their clocks."""

import re
from functools import cache

import pytest

from hw.board.boards import find_board
from hw.memory.litedram.boards import Ddr3Memory
from synth.bitstream import build
from synth.bitstream.build import Order
from synth.bitstream.ddr3_pins import ECPIX5_R02, ORANGECRAB_R02, Ddr3Board
from synth.bitstream.ddr3_top import SLOW_DIVIDER, chip_clock_dividers

BOARDS = {"orangecrab-85f": ORANGECRAB_R02, "ecpix5-85f": ECPIX5_R02}


def memory_of(board: str) -> Ddr3Memory:
    memory = find_board(Order(board).memory_name).memory
    assert isinstance(memory, Ddr3Memory)
    return memory


@cache
def netlist(board: str) -> tuple[str, str, str]:
    return build.netlist(Order(board))


@pytest.mark.parametrize("board", BOARDS)
def test_the_plls_oscillator_runs_between_400_and_800_mhz_and_the_chips_clock_is_twice_ours(board: str) -> None:
    clock, oscillator = memory_of(board).clock_mhz, BOARDS[board].oscillator_mhz
    before, feedback, divider = chip_clock_dividers(oscillator, clock)
    assert oscillator * feedback / before == 2 * clock
    assert 400 <= 2 * clock * divider <= 800
    assert 20 <= 2 * clock * divider / SLOW_DIVIDER <= 30
    assert oscillator / before >= 10


@pytest.mark.parametrize("board", BOARDS)
def test_clocks_are_stopped_halved_and_bridged_as_the_board_needs_it(board: str) -> None:
    rtlil, _, _ = netlist(board)
    cells = {name: len(re.findall(rf"cell \\{name} ", rtlil)) for name in ("EHXPLLL", "ECLKSYNCB", "CLKDIVF")}
    assert set(cells.values()) == {1}
    assert ("cell \\ECLKBRIDGECS " in rtlil) == BOARDS[board].bridge == (board == "orangecrab-85f")


@pytest.mark.parametrize("board", BOARDS)
def test_the_memory_has_all_pads_of_its_controller_and_no_two_share_a_pin(board: str) -> None:
    rtlil, modules, pins = netlist(board)
    assert set(re.findall(r" ddram_(\w+)", modules.split(");")[0])) == set(BOARDS[board].pads)
    assert all(f"connect \\ddram_{name} " in rtlil for name in BOARDS[board].pads)
    sites = re.findall(r'SITE "(\w+)"', pins)
    assert len(sites) == len(set(sites))
    bits = {name: pins.count(f'LOCATE COMP "ddr3_pads_0__{name}__') for name in BOARDS[board].pads}
    ddr3 = memory_of(board)
    assert (bits["a"], bits["ba"], bits["dq"], bits["dqs_p"], bits["dm"]) == (ddr3.row_bits, 3, 16, 2, 2)


def test_the_orangecrab_has_the_pins_of_its_makers_later_files() -> None:
    _, _, pins = netlist("orangecrab-85f")
    for name, sites in (("ba", "D6 B7 A6"), ("dqs_p", "B15 G18")):
        for bit, site in enumerate(sites.split()):
            assert f'LOCATE COMP "ddr3_pads_0__{name}__io[{bit}]" SITE "{site}";' in pins
    assert 'IOBUF PORT "ddr3_pads_0__clk_p__io" SLEWRATE=FAST IO_TYPE=SSTL135D_I;' in pins


def test_stand_ins_for_supply_are_held_high_and_those_for_ground_low() -> None:
    rtlil, _, pins = netlist("orangecrab-85f")
    assert pins.count('LOCATE COMP "held_high_0__') == 6
    assert pins.count('LOCATE COMP "held_low_0__') == 2
    for name, driven in (("held_high_0", "6'111111"), ("held_low_0", "2'00")):
        module = rtlil.split(f"module \\top.{name}\n")[1].split("\nend\n")[0]
        assert f"connect \\o$1 {driven}\n" in module


@pytest.mark.parametrize("board", [ORANGECRAB_R02, ECPIX5_R02], ids=BOARDS)
def test_no_pin_of_a_board_has_two_uses(board: Ddr3Board) -> None:
    groups = [*board.pads.values(), *board.serial, *board.lamps, *(pins for pins, _ in (*board.high, *board.low))]
    pins = " ".join([*groups, board.button]).split()
    assert len(pins) == len(set(pins))
