"""Worked examples of the selections."""

import pytest
import torch
from torch import Tensor

from formats.router.bitmaps import indices, to_words
from formats.router.descriptor import Quota
from formats.router.numbers import Threshold
from formats.router.rates import rate24
from golden_models.router.selection import Bounds, TopK, argmax, filter_keys, first, range_mask, ratio_mask, topk

KEYS = torch.tensor([5, 9, 9, 1, 9, 7, 0, 9])
EQUAL = torch.full((20,), 7)
CLOSE = torch.tensor([70000, 70001, 5, 70001, 69999])


def members(n: int, *tokens: int) -> Tensor:
    mask = torch.zeros(n, dtype=torch.bool)
    mask[list(tokens)] = True
    return mask


def words(mask: Tensor) -> str:
    return " ".join(f"{word:04X}" for word in to_words(mask).tolist())


class TestTopK:
    @pytest.mark.parametrize(
        ("keys", "rule", "bitmap"),
        [
            (KEYS, TopK(Quota.KEEP, 3), "0016"),
            (KEYS, TopK(Quota.KEEP, 5), "00B6"),
            (KEYS, TopK(Quota.DROP, 3, last=True), "00B6"),
            (KEYS, TopK(Quota.KEEP, 0), "0000"),
            (KEYS, TopK(Quota.KEEP, 0, last=True), "0080"),
            (KEYS, TopK(Quota.KEEP, 99), "00FF"),
            (KEYS, TopK(Quota.DROP, 99), "0000"),
            (KEYS, TopK(Quota.RATE, rate24(0.5), last=True), "0096"),
            (EQUAL, TopK(Quota.KEEP, 5), "001F 0000"),
            (EQUAL, TopK(Quota.KEEP, 5, last=True), "000F 0008"),
            (EQUAL, TopK(Quota.RATE, rate24(0.3)), "3FFF 0000"),
            (KEYS[:1], TopK(Quota.RATE, rate24(0.5)), "0001"),
            (KEYS[:0], TopK(Quota.KEEP, 1, last=True), ""),
            (CLOSE, TopK(Quota.KEEP, 2), "000A"),
            (CLOSE, TopK(Quota.KEEP, 3), "000B"),
            (CLOSE, TopK(Quota.KEEP, 0), "0000"),
        ],
    )
    def test_examples(self, keys: Tensor, rule: TopK, bitmap: str) -> None:
        assert words(topk(keys, rule)) == bitmap

    @pytest.mark.parametrize(
        ("quota", "amount", "kept"),
        [(Quota.KEEP, 99, 10), (Quota.KEEP, 1, 2), (Quota.DROP, 4, 6), (Quota.DROP, 99, 2), (Quota.RATE, 1 << 22, 8)],
    )
    def test_the_number_kept_lies_between_the_forced_and_the_candidates(
        self, quota: Quota, amount: int, kept: int
    ) -> None:
        assert TopK(quota, amount).kept(candidates=10, forced=2) == kept

    def test_tokens_outside_can_stay(self) -> None:
        kept = topk(KEYS, TopK(Quota.KEEP, 1, outside=True), candidates=members(8, 2, 3, 4, 5))
        assert words(kept) == "00C7"

    def test_only_candidates_are_chosen(self) -> None:
        kept = topk(KEYS, TopK(Quota.KEEP, 2, last=True), candidates=members(8, 0, 2, 3, 5, 6, 7))
        assert words(kept) == "0084"

    def test_the_last_token_must_be_a_candidate_to_be_forced(self) -> None:
        kept = topk(KEYS, TopK(Quota.KEEP, 1, last=True), candidates=members(8, 0, 3))
        assert words(kept) == "0001"

    def test_forced_tokens_count_and_stay(self) -> None:
        assert words(topk(KEYS, TopK(Quota.KEEP, 1), forced=members(8, 3, 6))) == "0048"
        assert words(topk(KEYS, TopK(Quota.KEEP, 3), forced=members(8, 3, 6))) == "004A"

    def test_only_the_low_bits_are_compared_when_asked(self) -> None:
        keys = torch.tensor([0x10001, 0x00002, 0x70001])
        assert words(topk(keys, TopK(Quota.KEEP, 1, key_bits=16))) == "0002"
        assert words(topk(keys, TopK(Quota.KEEP, 1))) == "0004"


class TestFilter:
    keys = torch.tensor([10, 20, 20, 30, 40])

    @pytest.mark.parametrize(
        ("low", "high", "invert", "bitmap"),
        [
            (Threshold(20, False), None, False, "0018"),
            (Threshold(20, True), None, False, "001E"),
            (Threshold(20, True), Threshold(30, True), False, "000E"),
            (Threshold(20, False), Threshold(30, False), False, "0000"),
            (Threshold(20, True), Threshold(30, True), True, "0011"),
            (Threshold(20, False), Threshold(30, False), True, "001F"),
            (None, None, False, "001F"),
            (None, Threshold(20, False), False, "0001"),
            (Threshold(30, True), Threshold(20, True), False, "0000"),
        ],
    )
    def test_intervals(self, low: Threshold | None, high: Threshold | None, invert: bool, bitmap: str) -> None:
        assert words(filter_keys(self.keys, Bounds(low, high, invert))) == bitmap

    def test_a_bound_a_token(self) -> None:
        table = torch.tensor([9, 20, 19, 0xFFFFFF, 0])
        assert words(filter_keys(self.keys, Bounds((table, False)))) == "0015"
        assert words(filter_keys(self.keys, Bounds((table, True)))) == "0017"

    @pytest.mark.parametrize(("closed", "tokens"), [(False, []), (True, [0])])
    def test_the_largest_key_passes_only_a_closed_bound(self, closed: bool, tokens: list[int]) -> None:
        kept = filter_keys(torch.tensor([0xFFFFFF, 5]), Bounds(Threshold(0xFFFFFF, closed)))
        assert indices(kept).tolist() == tokens

    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize("low_closed", [False, True])
    @pytest.mark.parametrize("high_closed", [False, True])
    def test_data_juicer_turns_its_ends_round_when_it_reverses(
        self, reverse: bool, low_closed: bool, high_closed: bool
    ) -> None:
        kept = []
        for key in self.keys.tolist():  # its filter: open and closed change places, then the whole is negated
            above = key >= 20 if low_closed != reverse else key > 20
            below = key <= 30 if high_closed != reverse else key < 30
            kept.append((above and below) != reverse)
        bounds = Bounds(Threshold(20, low_closed ^ reverse), Threshold(30, high_closed ^ reverse), invert=reverse)
        assert filter_keys(self.keys, bounds).tolist() == kept


class TestFirst:
    rows = torch.tensor([[3, 9, 9, 1], [8, 1, 2, 9], [1, 1, 1, 1], [5, 6, 6, 2]])

    @pytest.mark.parametrize(
        ("bound", "none", "answers"),
        [
            (Threshold(5, False), False, [(1, 0), (0, 0), (0, 1), (1, 0)]),
            (Threshold(100, False), False, [(1, 1), (3, 1), (0, 1), (1, 1)]),
            (Threshold(9, True), False, [(1, 0), (3, 0), (0, 1), (1, 1)]),
            ((torch.tensor([5, 8, 8, 0]), False), False, [(1, 0), (0, 0), (3, 0), (3, 0)]),
            (Threshold(5, False), True, [(1, 0), (0, 0), (4, 1), (1, 0)]),
        ],
    )
    def test_examples(self, bound: Threshold | tuple[Tensor, bool], none: bool, answers: list[tuple[int, int]]) -> None:
        index, fallback = first(self.rows, bound, none)
        assert list(zip(index.tolist(), fallback.long().tolist(), strict=True)) == answers

    def test_the_lowest_index_of_the_largest(self) -> None:
        assert argmax(torch.tensor([[4, 7, 7, 1]])).tolist() == [1]


class TestRange:
    @pytest.mark.parametrize(
        ("n", "start", "length", "invert", "bitmap"),
        [
            (10, 3, 4, False, "0387"),
            (10, 3, 4, True, "0078"),
            (10, 0, 10, False, "0000"),
            (10, 0, 10, True, "03FF"),
            (10, 4, 0, False, "03FF"),
            (20, 2, 16, False, "0003 000C"),
            (20, 2, 16, True, "FFFC 0003"),
        ],
    )
    def test_examples(self, n: int, start: int, length: int, invert: bool, bitmap: str) -> None:
        assert words(range_mask(n, start, length, invert=invert)) == bitmap

    def test_a_mask_limits_both(self) -> None:
        mask = members(10, 0, 4)
        assert indices(range_mask(10, 3, 4, mask)).tolist() == [0]
        assert indices(range_mask(10, 3, 4, mask, invert=True)).tolist() == [4]

    def test_a_run_must_end_among_the_tokens(self) -> None:
        with pytest.raises(ValueError, match="tokens 8 to 11 do not fit 10 tokens"):
            range_mask(10, 8, 3)


class TestRatio:
    hits = torch.tensor([1, 0, 0, 51, 50, 1])
    totals = torch.tensor([5, 5, 0, 256, 256, 6])

    @pytest.mark.parametrize(("keep_empty", "tokens"), [(True, [0, 2, 3]), (False, [0, 3])])
    def test_a_fifth_is_51(self, keep_empty: bool, tokens: list[int]) -> None:
        assert indices(ratio_mask(self.hits, self.totals, 51, keep_empty)).tolist() == tokens

    def test_all_of_them_is_256(self) -> None:
        assert indices(ratio_mask(torch.tensor([5, 4]), torch.tensor([5, 5]), 256, False)).tolist() == [0]

    def test_52_is_more_than_a_fifth(self) -> None:
        assert not ratio_mask(torch.tensor([1]), torch.tensor([5]), 52, False).any()

    def test_51_is_a_fifth_for_every_total_below_256(self) -> None:
        hits, totals = torch.meshgrid(torch.arange(256), torch.arange(1, 256), indexing="ij")
        assert torch.equal(ratio_mask(hits, totals, 51, False), 5 * hits >= totals)
