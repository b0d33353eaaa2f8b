"""Timing in cycles: rounded to the chip's side, and refused where the chip is slower than the clock."""

import pytest

from formats.errors import InputError
from hw.memory.chips import AS4C32M16SB_7, W9825G6KH_6, SdramTiming


def test_distances_round_up_and_refresh_rounds_down() -> None:
    assert AS4C32M16SB_7.timing(133, 3) == SdramTiming(
        start=26_600,
        t_rcd=3,  # 2.79
        t_rp=3,  # 2.79
        t_ras=6,  # 5.59
        t_rc=9,  # 8.38
        t_rrd=2,  # 1.86
        t_rfc=9,  # 8.38
        t_wr=2,
        t_mrd=2,
        cas_latency=3,
        refresh=1_039,  # 1,039.06
    )


def test_a_distance_of_whole_cycles_is_not_rounded_up() -> None:
    assert W9825G6KH_6.timing(100, 2).t_rc == 6
    assert W9825G6KH_6.timing(100, 2).start == 20_000


def test_sizes_are_those_of_the_boards() -> None:
    assert (W9825G6KH_6.size_bytes, AS4C32M16SB_7.size_bytes) == (32 << 20, 64 << 20)


def test_an_unknown_cas_latency_is_refused() -> None:
    with pytest.raises(InputError, match="cas_latency of W9825G6KH-6 must be 2 or 3, not 4"):
        W9825G6KH_6.timing(100, 4)


@pytest.mark.parametrize("clock", [0, 101])
def test_a_clock_that_the_chip_cannot_follow_is_refused(clock: int) -> None:
    with pytest.raises(InputError, match=f"cas_latency=2 must be above 0 and at most 100, not {clock}"):
        AS4C32M16SB_7.timing(clock, 2)


def test_a_clock_that_leaves_time_for_nothing_but_refreshes_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"clock_mhz=0\.5 is too slow: W9825G6KH-6 would do little but refresh; take 1 "
    ):
        W9825G6KH_6.timing(0.5, 2)
    assert W9825G6KH_6.timing(1, 2).refresh == 7
