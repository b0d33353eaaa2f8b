"""An index a row."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from formats.router.numbers import logit
from sw_runtime.device.protocol import Device
from sw_runtime.routing.rows import argmax, first_above

OnBoth = Callable[..., Any]
ROWS = torch.tensor([[3.0, 9, 9, 1], [8, 1, 2, 9], [1, 1, 1, 1], [5, 6, 6, 2]])


@pytest.mark.parametrize(
    ("bound", "options", "index", "fallback"),
    [
        (5, {}, [1, 0, 0, 1], [0, 0, 1, 0]),
        (100, {}, [1, 3, 0, 1], [1, 1, 1, 1]),
        (9, {"closed": True}, [1, 3, 0, 1], [0, 0, 1, 1]),
        (5, {"fallback": "none"}, [1, 0, 4, 1], [0, 0, 1, 0]),
        (float("-inf"), {}, [0, 0, 0, 0], [0, 0, 0, 0]),
    ],
)
def test_the_first_entry_above_the_bound_is_chosen_else_the_fallback(
    on_both: OnBoth, bound: float, options: Any, index: list[int], fallback: list[int]
) -> None:
    chosen, fell_back = on_both(first_above, ROWS, bound, **options)
    assert chosen.tolist() == index
    assert fell_back.long().tolist() == fallback


def test_argmax_takes_the_first_of_equals(on_both: OnBoth) -> None:
    assert on_both(argmax, torch.tensor([[4.0, 7, 7, 1]])).tolist() == [1]
    rows = torch.randn(40, 33, generator=torch.Generator().manual_seed(0))
    assert on_both(argmax, rows).tolist() == rows.argmax(dim=1).tolist()


def test_a_probability_of_one_is_never_exceeded(on_both: OnBoth) -> None:
    index, fell_back = on_both(first_above, torch.tensor([[200.0, float("inf")]]), logit(1.0), fallback="none")
    assert (index.tolist(), fell_back.tolist()) == ([2], [True])


def test_no_rows_give_no_index(on_both: OnBoth) -> None:
    assert on_both(argmax, torch.zeros(0, 4)).shape == (0,)


def test_nan_is_refused_or_the_least_number(on_both: OnBoth, device: Device) -> None:
    rows = torch.tensor([[float("nan"), -127.0]])
    with pytest.raises(ValueError, match="1 of 2 values are NaN"):
        argmax(device, rows)
    assert on_both(argmax, rows, nan="lowest").tolist() == [1]


@pytest.mark.parametrize("rows", [torch.zeros(4), torch.zeros(4, 0), torch.zeros(1 << 14, 17), torch.zeros(1, 1 << 16)])
def test_what_is_no_table_of_rows_is_refused(device: Device, rows: Tensor) -> None:
    with pytest.raises(
        ValueError, match=r"rows must be \[T, E\] of 1 to 65535 columns and at most 262144 entries, not"
    ):
        argmax(device, rows)


def test_an_unknown_fallback_is_refused(device: Device) -> None:
    unknown: Any = "last"
    with pytest.raises(ValueError, match="fallback must be 'largest' or 'none', not 'last'"):
        first_above(device, ROWS, 0, fallback=unknown)
