"""Accepted drafts."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from sw_runtime.device.protocol import Device
from sw_runtime.routing.drafts import accept_drafts, accept_sampled

OnBoth = Callable[..., Any]


@pytest.mark.parametrize(
    ("drafts", "targets", "accepted"),
    [
        ([5, 6, 7], [5, 6, 8, 9], (2, 8)),
        ([5, 6, 7], [5, 6, 7, 9], (3, 9)),
        ([1], [2, 3], (0, 2)),
        ([], [4], (0, 4)),
        ([0xFFFFFF, 70_000], [0xFFFFFF, 70_000, 65_536], (2, 65_536)),
    ],
)
def test_drafts_are_accepted_up_to_the_first_that_differs(
    on_both: OnBoth, drafts: list[int], targets: list[int], accepted: tuple[int, int]
) -> None:
    assert on_both(accept_drafts, torch.tensor(drafts, dtype=torch.int64), torch.tensor(targets)) == accepted


def test_a_draft_passes_with_the_ratio_of_its_probabilities(on_both: OnBoth) -> None:
    triples = torch.tensor([[0.0, 0.5, 0.25], [0.49, 0.5, 0.25], [0.5, 0.5, 0.25], [0.0, 0.5, 0.5]])
    assert on_both(accept_sampled, *triples.unbind(dim=1)) == 2  # equality rejects
    assert on_both(accept_sampled, *torch.tensor([[0.99], [0.5], [0.6]])) == 1
    assert on_both(accept_sampled, *torch.zeros(3, 1)) == 0
    assert on_both(accept_sampled, *torch.zeros(3, 0)) == 0


@pytest.mark.parametrize(
    ("drafts", "targets", "message"),
    [
        ([1, 2], [1, 2], r"drafts must be \[g\] with g at most 255 and targets \[g \+ 1\], not \[2\] and \[2\]"),
        ([1] * 256, [1] * 257, r"not \[256\] and \[257\]"),
        ([-1], [1, 2], "token ids must be 0 to 16777215"),
        ([1 << 24], [1, 2], "token ids must be 0 to 16777215"),
    ],
)
def test_what_are_no_drafts_is_refused(device: Device, drafts: list[int], targets: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        accept_drafts(device, torch.tensor(drafts), torch.tensor(targets))


def test_probabilities_must_be_alike_and_numbers(device: Device) -> None:
    with pytest.raises(ValueError, match=r"uniform, draft and target must be \[g\] alike with g at most 255"):
        accept_sampled(device, torch.zeros(2), torch.zeros(2), torch.zeros(3))
    with pytest.raises(ValueError, match="1 of 3 values are NaN"):
        accept_sampled(device, torch.zeros(1), torch.full((1,), torch.nan), torch.zeros(1))
