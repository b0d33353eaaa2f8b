"""Sets of tokens."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from sw_runtime.device.protocol import Device
from sw_runtime.routing.masks import combine, keep_ratio, leave_out

OnBoth = Callable[..., Any]


def random_masks(count: int, n: int) -> Tensor:
    return torch.rand(count, n, generator=torch.Generator().manual_seed(n)) < 0.5


@pytest.mark.parametrize("n", [0, 1, 16, 100, 112])
def test_sets_are_combined_by_a_truth_table(on_both: OnBoth, n: int) -> None:
    a, b, c = random_masks(3, n)
    assert torch.equal(on_both(combine, 0x88, a, b), a & b)
    assert torch.equal(on_both(combine, 0x08, a, b, c), a & b & ~c)
    assert torch.equal(on_both(combine, 0x96, a, b, c), a ^ b ^ c)
    assert torch.equal(on_both(combine, 0x55, a), ~a)


def test_a_run_is_left_out_or_kept_alone(on_both: OnBoth) -> None:
    outside = torch.tensor([1, 1, 1, 0, 0, 0, 0, 1, 1, 1]).bool()
    assert torch.equal(on_both(leave_out, 10, 3, 4), outside)
    assert torch.equal(on_both(leave_out, 10, 3, 4, invert=True), ~outside)
    assert on_both(leave_out, 10, 4, 0).all()
    assert not on_both(leave_out, 10, 0, 10).any()


def test_a_run_is_left_out_of_a_mask(on_both: OnBoth) -> None:
    (mask,) = random_masks(1, 30)
    tokens = torch.arange(30)
    inside = (tokens >= 5) & (tokens < 17)
    assert torch.equal(on_both(leave_out, 30, 5, 12, mask), mask & ~inside)
    assert torch.equal(on_both(leave_out, 30, 5, 12, mask, invert=True), mask & inside)


def test_shares_of_hits_are_compared_without_dividing(on_both: OnBoth) -> None:
    hits, totals = torch.tensor([1, 0, 0, 51, 50, 1]), torch.tensor([5, 5, 0, 256, 256, 6])
    assert on_both(keep_ratio, hits, totals, 51, keep_empty=True).long().tolist() == [1, 0, 1, 1, 0, 0]
    assert on_both(keep_ratio, hits, totals, 51).long().tolist() == [1, 0, 0, 1, 0, 0]
    assert on_both(keep_ratio, torch.tensor([5, 4]), torch.tensor([5, 5]), 256).long().tolist() == [1, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda device: combine(device, 0), "combine takes one to three sets, not 0"),
        (lambda device: combine(device, 256, torch.ones(3).bool()), "truth_table must be 0 to 0xff, not 0x100"),
        (
            lambda device: combine(device, 0x88, torch.ones(3).bool(), torch.ones(4).bool()),
            r"every set must be bool \[3\], not torch.bool \[4\]",
        ),
        (lambda device: combine(device, 0x88, torch.ones(113).bool()), "113 tokens do not fit"),
        (lambda device: leave_out(device, 10, 8, 3), "tokens 8 to 11 do not fit 10 tokens"),
        (lambda device: leave_out(device, 10, -1, 3), "tokens -1 to 2 do not fit 10 tokens"),
        (lambda device: leave_out(device, 113, 0, 0), "113 tokens do not fit the router's 112 keys"),
        (lambda device: leave_out(device, 3, 0, 1, torch.ones(3)), r"mask must be bool \[3\], not torch.float32 \[3\]"),
        (
            lambda device: keep_ratio(device, torch.tensor([4096]), torch.tensor([1]), 1),
            r"hits and totals must be \[n\] alike, 0 to 4095",
        ),
        (
            lambda device: keep_ratio(device, torch.tensor([1]), torch.tensor([1, 2]), 1),
            r"hits and totals must be \[n\] alike, 0 to 4095",
        ),
        (
            lambda device: keep_ratio(device, torch.tensor([1]), torch.tensor([1]), 257),
            r"at_least must be 0 to 256 \(256ths\), not 257",
        ),
    ],
)
def test_what_is_no_set_of_tokens_is_refused(device: Device, call: Callable[[Device], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(device)
