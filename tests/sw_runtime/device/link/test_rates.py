"""A bad line costs at most half of what a good one carries, and changes nothing that is carried."""

from collections.abc import Sequence
from statistics import mean

import numpy as np
import pytest

from formats.board_requests import Opcode, request_words
from golden_models.line import LineFaults
from sw_runtime.device.board.memory import upload
from tests.sw_runtime.device.link.channels import Bench

WORDS, PIECE = 1 << 17, 254
UPLOADS = [
    request_words(Opcode.WRITE, 4 * at, data=[0x01020304 * at + place & 0xFFFF_FFFF for place in range(PIECE)])
    for at in range(0, WORDS - PIECE, PIECE)
]
BAD = LineFaults(byte_errors=1e-4, lost=0.01)
LEAST_SHARE = 0.5


def uploaded(faults: LineFaults, seed: int, baud: int, latency: float) -> tuple[float, Sequence[int]]:
    """Seconds of an upload, and the memory behind it."""
    bench = Bench(faults, seed, WORDS, baud=baud, latency=latency)
    channel, before = bench.channel(), bench.line.now
    assert len(list(channel.exchange(UPLOADS))) == len(UPLOADS)
    assert bench.core.executed == [tuple(words) for words in UPLOADS]
    return bench.line.now - before, bench.core.memory


@pytest.mark.parametrize("latency", [0.001, 0.016])
@pytest.mark.parametrize("baud", [3_000_000, 12_000_000])
def test_a_bad_line_carries_half_of_a_good_one_or_more_and_the_same_words(baud: int, latency: float) -> None:
    seconds, memory = uploaded(LineFaults(), 1, baud, latency)
    assert any(memory)
    for seed in range(5):
        longer, found = uploaded(BAD, seed, baud, latency)
        assert found == memory
        assert LEAST_SHARE <= seconds / longer < 1


SEEDS = range(40)
MOST_BELOW = 2
"""Uploads of these that may fall below half: two losses in a row, of five packets."""


@pytest.mark.parametrize("octets", [2_000, 8_000, 32_000])
@pytest.mark.parametrize("latency", [0.001, 0.016])
@pytest.mark.parametrize("baud", [3_000_000, 12_000_000])
def test_short_uploads_on_a_bad_line_carry_half_too_their_ends_included(baud: int, latency: float, octets: int) -> None:
    """As ``upload`` does them: checksums before and after."""
    data = np.random.default_rng(octets).integers(256, size=octets, dtype=np.uint8)

    def seconds(faults: LineFaults, seed: int) -> float:
        bench = Bench(faults, seed, octets // 4, baud=baud, latency=latency)
        channel, before = bench.channel(), bench.line.now
        assert upload(channel, 0, data) == octets
        return bench.line.now - before

    good = seconds(LineFaults(), 1)
    shares = [good / seconds(BAD, seed) for seed in SEEDS]
    assert mean(shares) >= 0.7
    assert sum(share < LEAST_SHARE for share in shares) <= MOST_BELOW
