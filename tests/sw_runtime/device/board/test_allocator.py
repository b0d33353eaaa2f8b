"""Ranges of a memory: apart from each other, aligned, and used again."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.errors import DeviceError
from sw_runtime.device.board.allocator import Allocator


@given(steps=st.lists(st.tuples(st.booleans(), st.integers(1, 400)), max_size=60))
def test_ranges_lie_apart_within_the_memory_and_all_of_it_comes_back(steps: list[tuple[bool, int]]) -> None:
    allocator, held = Allocator(10, 1_000, alignment=8), dict[int, int]()
    whole = allocator.free_bytes
    assert whole == 984
    for takes, size in steps:
        if takes or not held:
            try:
                start = allocator.allocate(size)
            except DeviceError:
                continue
            assert start % 8 == 0
            assert 16 <= start <= 1_000 - size
            assert all(start + size <= other or start >= other + length for other, length in held.items())
            held[start] = size
        else:
            start = sorted(held)[size % len(held)]
            del held[start]
            allocator.free(start)
        assert allocator.free_bytes == whole - sum(-(-length // 8) * 8 for length in held.values())
    for start in held:
        allocator.free(start)
    assert allocator.allocate(whole) == 16, "one gap again"


def test_the_smallest_gap_that_is_large_enough_is_taken() -> None:
    allocator = Allocator(0, 1_000, alignment=4)
    starts = [allocator.allocate(size) for size in (100, 4, 40, 4)]
    allocator.free(starts[0])
    allocator.free(starts[2])
    assert allocator.allocate(40) == starts[2]
    assert allocator.allocate(48) == starts[0]


def test_what_does_not_fit_says_by_how_much() -> None:
    allocator = Allocator(100, 4_196, alignment=4)
    allocator.allocate(1_096)
    message = (
        "the board's memory is too small by 1,000 bytes: 4,000 are needed, 3,000 of 4,196 are free; "
        "use fewer bits per weight or a board with more memory"
    )
    for call in (allocator.check_room, allocator.allocate):
        with pytest.raises(DeviceError, match=f"^{re.escape(message)}$"):
            call(4_000)
    allocator.check_room(3_000)


def test_gaps_that_are_too_small_each_are_named() -> None:
    allocator = Allocator(0, 300, alignment=4)
    first, _, _ = (allocator.allocate(100) for _ in range(3))
    allocator.free(first)
    allocator.free(200)
    message = "150 bytes fit in no gap of the board's memory: 200 are free, 100 of them in one piece; unload all"
    with pytest.raises(DeviceError, match=message):
        allocator.allocate(150)
