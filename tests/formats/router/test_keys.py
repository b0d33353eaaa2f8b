"""Scores of tokens, summed over heads in integers."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from formats.router.keys import accumulate, score_keys
from formats.router.numbers import quantise


def rows_of_ones(heads: int) -> Tensor:
    return torch.ones(heads, 1)


class TestAccumulate:
    def test_the_rows_of_an_example(self) -> None:
        keys = torch.tensor([1, 2, 3, 4])
        for row in ([10, 0, 65535, 7], [5, 5, 5, 5]):
            keys, clipped = accumulate(keys, torch.tensor(row))
            assert not clipped
        assert keys.tolist() == [16, 7, 65543, 16]

    def test_256_rows_of_16_bits_fit_and_one_more_is_clipped(self) -> None:
        keys, ever_clipped = torch.tensor([65535]), []
        for _ in range(256):
            keys, clipped = accumulate(keys, torch.tensor([65535]))
            ever_clipped.append(clipped)
        assert ever_clipped == [False] * 255 + [True]
        assert keys.tolist() == [16777215]


class TestScoreKeys:
    @pytest.mark.parametrize(("heads", "key"), [(32, 2097120), (256, 16776960), (257, 16777215)])
    def test_sums_of_16_bit_fractions(self, heads: int, key: int) -> None:
        assert score_keys(rows_of_ones(heads)).tolist() == [key]

    def test_sums_are_what_accumulating_head_by_head_gives(self) -> None:
        attention = torch.rand(300, 20, generator=torch.Generator().manual_seed(0)).sqrt()
        keys = torch.zeros(20, dtype=torch.int64)
        for head in quantise(attention, 16, 0, 65535):
            keys, _ = accumulate(keys, head)
        assert torch.equal(score_keys(attention), keys)

    @pytest.mark.parametrize(("heads", "key"), [(1, 0x4F8000), (2, 0x500000), (32, 0x520000)])
    def test_x24_is_the_top_of_a_float(self, heads: int, key: int) -> None:
        assert score_keys(rows_of_ones(heads), "x24").tolist() == [key]

    @given(data=st.binary(min_size=24, max_size=24), scale=st.integers(0, 24))
    def test_x24_never_reverses_an_order(self, data: bytes, scale: int) -> None:
        bits = torch.frombuffer(bytearray(data), dtype=torch.int32).view(3, 2)
        attention = bits.double().abs() * 2.0 ** -(31 + scale)
        sums = quantise(attention, 32, 0, 2**32 - 1).sum(dim=0)
        keys = score_keys(attention, "x24")
        assert (keys[0] - keys[1]) * (sums[0] - sums[1]) >= 0
        assert int(keys.max()) < 1 << 24

    def test_x24_does_not_depend_on_the_order_of_heads(self) -> None:
        attention = torch.rand(31, 50, generator=torch.Generator().manual_seed(0))
        assert torch.equal(score_keys(attention, "x24"), score_keys(attention.flip(0), "x24"))

    def test_an_unknown_code_is_refused(self) -> None:
        with pytest.raises(ValueError, match="code must be 'sum16' or 'x24', not 'mean'"):
            score_keys(rows_of_ones(1), "mean")

    @pytest.mark.parametrize("code", ["sum16", "x24"])
    def test_nan_is_refused(self, code: str) -> None:
        with pytest.raises(ValueError, match="1 of 1 values are NaN"):
            score_keys(torch.tensor([[math.nan]]), code)
