"""The start: the order and the times that JEDEC asks for, and settings in the middle of what reads right."""

import numpy as np
import pytest

from hw.memory.litedram.boards import ORANGECRAB
from tests.hw.memory.litedram.conftest import Opened
from tests.hw.memory.litedram.rules import NAMES
from tests.hw.memory.litedram.simulation import Ddr3Simulation, Lane

CLOCKS_PER_US = 2 * ORANGECRAB.clock_mhz
CKE, RESET_N = 1, 2


def until_first_test(simulation: Ddr3Simulation) -> list[tuple[int, int, str, int, int]]:
    """What the chip saw before its first page was opened: clock, control pins, command, bank, address."""
    seen = [(clock, pins, NAMES[command], bank, address) for clock, pins, command, bank, address in simulation.seen()]
    return seen[: [name for _, _, name, _, _ in seen].index("activate")]


def test_reset_lasts_200_us_and_the_clock_is_enabled_500_us_later(opened: Opened) -> None:
    simulation = opened()
    assert simulation.start()
    pins = [(clock, control) for clock, control, name, _, _ in until_first_test(simulation) if name == "nothing"]
    (reset, _), (released, _), (enabled, _) = pins[-3:]
    assert [control for _, control in pins[-3:]] == [0, RESET_N, RESET_N | CKE]
    assert released - reset >= 200 * CLOCKS_PER_US
    assert enabled - released >= 500 * CLOCKS_PER_US


def test_mode_registers_are_set_in_order_and_the_drivers_calibrated(opened: Opened) -> None:
    simulation = opened()
    assert simulation.start()
    commands = [(clock, name, bank) for clock, _, name, bank, _ in until_first_test(simulation) if name != "nothing"]
    assert [(name, bank) for _, name, bank in commands] == [
        ("mode", 2),
        ("mode", 3),
        ("mode", 1),
        ("mode", 0),
        ("calibrate", 0),
    ]
    clocks = [clock for clock, _, _ in commands]
    assert (np.diff(clocks) >= 512).all()
    first_page = next(clock for clock, _, command, _, _ in simulation.seen() if NAMES[command] == "activate")
    assert first_page - clocks[-1] >= 512


def test_the_mode_registers_hold_what_the_controller_keeps_to(opened: Opened) -> None:
    simulation = opened()
    assert simulation.start()
    modes = {bank: address for _, _, name, bank, address in until_first_test(simulation) if name == "mode"}
    assert modes[0] & 0b11 == 0  # bursts of 8
    assert (modes[0] >> 4 & 7) + 4 == 6  # CAS latency
    assert modes[0] >> 8 & 1  # the clock loop's reset
    assert (modes[2] >> 3 & 7) + 5 == 5  # CAS write latency
    assert modes[1] & 1 == 0  # the clock loop is on
    assert modes[1] & 0x244 == 0  # no termination, as the board's record says
    assert modes[3] == 0


@pytest.mark.parametrize(
    "lanes",
    [
        (Lane(0, 6, 0), Lane(0, 0, 3)),
        (Lane(2, 5, 1), Lane(1, 3, 2)),
        (Lane(6, 6, 3), Lane(4, 6, 0)),
        (Lane(3, 4, 2), Lane(0, 3, 1)),
    ],
    ids=str,
)
def test_each_lane_gets_its_bitslip_and_the_middle_of_its_delays(opened: Opened, lanes: tuple[Lane, Lane]) -> None:
    found = opened(*lanes).start()
    assert found
    for settings, lane in zip(found, lanes, strict=True):
        assert settings["window"] == lane.last - lane.first + 1
        assert settings["bitslip"] == lane.bitslip
        assert abs(2 * settings["delay"] - lane.first - lane.last) <= 1


@pytest.mark.parametrize("lanes", [(Lane(), Lane(5, 4, 0)), (Lane(detects=False), Lane())], ids=str)
def test_a_lane_that_never_reads_right_or_sees_no_burst_is_a_failure_and_is_not_handed_over(
    opened: Opened, lanes: tuple[Lane, Lane]
) -> None:
    simulation = opened(*lanes)
    assert simulation.start() is None
    commands = [NAMES[command] for _, _, command, _, _ in simulation.seen()]
    begun = commands.index("mode")
    assert "refresh" not in commands[begun:]


def test_no_request_is_taken_before_the_chip_is_started(opened: Opened) -> None:
    simulation = opened()
    answer = simulation.read(2, 2)  # waits for the start, which writes to the first burst
    assert answer.first >= 700 * ORANGECRAB.clock_mhz
    assert answer.beats.tolist() == [0, 0]
