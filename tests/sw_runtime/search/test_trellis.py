"""The fast trellis encoder against the golden one, and what feedback in every survivor gains."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from formats.errors import SeedloomError
from formats.presets import TRELLIS_PRESETS
from formats.trellis import TrellisFormat
from golden_models import trellis as golden
from sw_runtime.fit.feedback import DAMPING, inverse_factor
from sw_runtime.search import trellis
from sw_runtime.search.torch_trellis import HELD
from sw_runtime.search.trellis import EncodedRows, encode

EVERY_FORMAT = pytest.mark.parametrize("trellis_format", TRELLIS_PRESETS.values(), ids=TRELLIS_PRESETS)
FOUR, TWO = TRELLIS_PRESETS["trellis-4bit"], TRELLIS_PRESETS["trellis-2bit"]


def gaussian(rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))


def scales_of(weights: Tensor) -> Tensor:
    return (weights.square().mean(dim=1).sqrt() / 26).bfloat16().float()


def correlated_covariance(columns: int) -> Tensor:
    """Inputs that share a few directions: float64 [columns, columns], damped as ``inverse_factor`` does."""
    generator = torch.Generator().manual_seed(1)
    mixed = torch.randn(columns // 8, columns, generator=generator, dtype=torch.float64)
    covariance = mixed.T @ mixed / columns + 0.02 * torch.eye(columns, dtype=torch.float64)
    return covariance + DAMPING * covariance.diagonal().mean() * torch.eye(columns, dtype=torch.float64)


def factor_of(covariance: Tensor) -> Tensor:
    """U of the covariance as it is: ``H⁻¹ = Uᵀ U``."""
    return torch.linalg.cholesky(torch.linalg.inv(covariance), upper=True)


def losses(weights: Tensor, scales: Tensor, rows: EncodedRows, trellis_format: TrellisFormat, h: Tensor) -> Tensor:
    """``e H eᵀ`` of what the words decode to, in units of the scales: float64 [rows]."""
    found = golden.integer_weights(rows.words, trellis_format, weights.shape[1])
    errors = found.double() - weights.double() / scales.double().clamp(min=1e-30)[:, None]
    return ((errors @ h) * errors).sum(dim=1)


class TestPlain:
    """Without feedback: the Viterbi algorithm."""

    @EVERY_FORMAT
    def test_words_are_the_golden_encoder_s(self, trellis_format: TrellisFormat) -> None:
        weights = gaussian(3, 75)
        scales = scales_of(weights)
        units = weights.double() / scales.double()[:, None]
        found, expected = encode(weights, trellis_format, scales).words, golden.encode(units, trellis_format)
        decoded = [golden.integer_weights(words, trellis_format, 75) for words in (found, expected)]
        assert (decoded[0] == decoded[1]).all()

    @EVERY_FORMAT
    def test_weighs_the_columns_by_their_importance(self, trellis_format: TrellisFormat) -> None:
        weights, importance = gaussian(3, 64), torch.rand(64, generator=torch.Generator().manual_seed(2)) ** 4 + 0.01
        scales = scales_of(weights)
        units = weights.double() / scales.double()[:, None]
        found = encode(weights, trellis_format, scales, importance=importance)
        best = EncodedRows(golden.encode(units, trellis_format, importance), torch.empty(0))
        metric = importance.double().diag()
        expected = losses(weights, scales, best, trellis_format, metric)
        torch.testing.assert_close(losses(weights, scales, found, trellis_format, metric), expected, rtol=1e-5, atol=0)
        torch.testing.assert_close(found.losses, expected, rtol=1e-5, atol=0)

    def test_columns_of_no_importance_all_count_alike(self) -> None:
        weights = gaussian(2, 32)
        found = encode(weights, FOUR, scales_of(weights), importance=torch.zeros(32))
        assert (found.words == encode(weights, FOUR, scales_of(weights)).words).all()
        assert not found.losses.any()


class TestFeedback:
    """Every survivor's errors move its later targets."""

    @EVERY_FORMAT
    def test_reported_losses_are_what_the_words_lose(self, trellis_format: TrellisFormat) -> None:
        weights, covariance = gaussian(5, 136), correlated_covariance(136)
        scales = scales_of(weights)
        found = encode(weights, trellis_format, scales, factor_of(covariance))
        actual = losses(weights, scales, found, trellis_format, covariance)
        torch.testing.assert_close(found.losses, actual, rtol=1e-4, atol=0)

    @EVERY_FORMAT
    def test_loses_far_less_on_correlated_inputs(self, trellis_format: TrellisFormat) -> None:
        weights, covariance = gaussian(8, 160), correlated_covariance(160)
        scales = scales_of(weights)
        without = encode(weights, trellis_format, scales)
        answered = encode(weights, trellis_format, scales, factor_of(covariance))
        plain = losses(weights, scales, without, trellis_format, covariance).sum()
        assert answered.losses.sum() < 0.6 * plain

    def test_of_independent_columns_is_the_plain_search(self) -> None:
        weights = gaussian(3, 100)  # few enough columns that none is committed early
        with_factor = encode(weights, TWO, scales_of(weights), torch.eye(100, dtype=torch.float64))
        without = encode(weights, TWO, scales_of(weights))
        torch.testing.assert_close(with_factor.losses, without.losses, rtol=1e-3, atol=0)

    def test_takes_the_factor_of_the_error_feedback_of_blocks(self) -> None:
        covariance = correlated_covariance(40)
        assert encode(gaussian(1, 40), FOUR, torch.ones(1), inverse_factor(covariance)).words.shape == (1, 5)


class TestTorch:
    """The same search without a compiler."""

    @EVERY_FORMAT
    @pytest.mark.parametrize("feedback", [False, True], ids=["plain", "feedback"])
    def test_finds_the_kernel_s_words(
        self, trellis_format: TrellisFormat, feedback: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        columns = 16 * (HELD + 3)  # some groups are committed before the row's end
        weights = gaussian(2, columns)
        factor = factor_of(correlated_covariance(columns)) if feedback else None
        expected = encode(weights, trellis_format, scales_of(weights), factor)
        monkeypatch.setattr(trellis, "_compiled", lambda *_: None)
        found = encode(weights, trellis_format, scales_of(weights), factor)
        assert torch.equal(found.words, expected.words)
        assert torch.equal(found.losses, expected.losses)

    def test_runs_where_there_is_no_compiler_and_says_so(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        weights, done = gaussian(5, 24), list[int]()
        expected = encode(weights, FOUR, scales_of(weights))
        trellis._compiled.cache_clear()
        monkeypatch.delenv("CC", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("SEEDLOOM_CACHE", str(tmp_path))
        monkeypatch.setitem(trellis.ROWS_A_STEP, "cpu", 3)
        for _ in range(2):
            found = encode(weights, FOUR, scales_of(weights), progress=done.append)
            assert torch.equal(found.words, expected.words)
        assert done == [72, 48, 72, 48]
        assert [record.getMessage() for record in caplog.records] == [
            "no C compiler found: the trellis search runs in torch, far slower; install gcc or set CC"
        ]
        trellis._compiled.cache_clear()


class TestEncode:
    """What holds with and without feedback."""

    @pytest.mark.parametrize("feedback", [False, True], ids=["plain", "feedback"])
    def test_threads_do_not_change_the_result(self, feedback: bool) -> None:
        weights = gaussian(19, 70)
        factor = factor_of(correlated_covariance(70)) if feedback else None
        one, three = (encode(weights, TWO, scales_of(weights), factor, threads=threads) for threads in (1, 3))
        assert (one.words == three.words).all()
        assert (one.losses == three.losses).all()

    @pytest.mark.parametrize("columns", [1, 7, 9, 17, 31])
    def test_the_padding_costs_the_columns_before_it_nothing(self, columns: int) -> None:
        made = golden.integer_weights(torch.tensor([[0x1234, 0xABCD, 0x77AA, 0x4321]]), TWO, columns)
        for factor in (None, torch.eye(columns, dtype=torch.float64)):
            found = encode(made.float(), TWO, torch.ones(1), factor)
            assert found.words.shape == (1, TWO.blocks(columns))
            assert (golden.integer_weights(found.words, TWO, columns) == made).all()

    def test_a_row_of_zeros_takes_any_scale(self) -> None:
        weights = torch.stack([torch.zeros(24), gaussian(1, 24)[0]])
        found = encode(weights, FOUR, torch.tensor([0.0, 0.05]))
        decoded = golden.decode(found.words, torch.tensor([0.0, 0.05]), FOUR, 24)
        assert not decoded[0].any()

    def test_a_search_without_memory_is_told_with_the_remedy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(trellis, "_compiled", lambda *_: lambda *arguments: 1)
        with pytest.raises(SeedloomError, match="no memory for the trellis search; use fewer threads"):
            encode(gaussian(1, 8), FOUR, torch.ones(1))

    def test_progress_counts_every_weight(self) -> None:
        done: list[int] = []
        encode(gaussian(11, 20), FOUR, torch.ones(11), progress=done.append)
        assert sum(done) == 220

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"weights": torch.ones(3)}, r"weights must be a matrix \[rows, columns\], not \[3\]"),
            ({"weights": torch.full((2, 4), torch.nan)}, "weights must be finite"),
            ({"scales": torch.ones(3)}, r"scales must be \[2\], not \[3\]"),
            ({"scales": torch.tensor([1.0, 0.0])}, "row 1 holds weights but its scale is 0"),
            ({"scales": torch.full((2,), 1e-9)}, "times their scale; give larger scales"),
            ({"factor": torch.eye(3)}, r"factor must be \[4, 4\], not \[3, 3\]"),
            ({"factor": torch.zeros(4, 4)}, "factor must have a positive diagonal"),
            ({"importance": torch.ones(3)}, r"importance must be \[4\], not \[3\]"),
            ({"importance": -torch.ones(4)}, "importance must not be negative"),
            ({"importance": torch.ones(4), "factor": torch.eye(4)}, "give a factor or an importance, not both"),
        ],
    )
    def test_refuses_what_it_cannot_encode(self, change: dict[str, Any], message: str) -> None:
        arguments: dict[str, Any] = {"weights": torch.ones(2, 4), "scales": torch.ones(2)} | change
        with pytest.raises(ValueError, match=message):
            encode(trellis_format=FOUR, **arguments)
