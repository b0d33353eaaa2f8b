"""Blocks of zeros and near them: the best of all words, and no more work than for others."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.matrices import EncodedMatrix
from formats.presets import PRESETS
from golden_models.seedlm import codec
from golden_models.seedlm.codec import decode
from sw_runtime.search import search
from sw_runtime.search.search import encode_blocks, encode_matrix
from tests.sw_runtime.search.blocks import gaussian, triangular_metric


@cache
def all_words(block_format: BlockFormat) -> tuple[Tensor, Tensor]:
    """Every word, in the order of seeds, exponents and coefficients, and its weights: int64 [n], float64 [n, C]."""
    words = [word for word in range(1 << block_format.word_bits) if word & block_format.seeds]
    ordered = torch.tensor(sorted(words, key=block_format.unpack))
    matrix = EncodedMatrix(block_format, ordered[:, None], torch.ones(1), block_format.block_size)
    return ordered, codec.integer_weights(matrix).double()


def best_of_all_words(targets: Tensor, metric: Tensor, block_format: BlockFormat) -> Tensor:
    """The first word of the least error for each block."""
    words, weights = all_words(block_format)
    return words[((weights[:, None] - targets) @ metric.T).square().sum(dim=2).argmin(dim=0)]


@pytest.mark.parametrize("method", ["brute", "bucketed", "torch"])
@pytest.mark.parametrize("metric", ["identity", "triangular", "one column"])
@pytest.mark.parametrize("odd", [False, True], ids=["plain", "odd"])
def test_blocks_of_zeros_and_near_them_get_the_best_of_all_words(method: str, metric: str, odd: bool) -> None:
    block_format = BlockFormat("small", 4, 2, 6, 0 if odd else 2, 3, entry_bits=3 if odd else 6, odd_coefficients=odd)
    column = torch.zeros(4, 4, dtype=torch.float64)
    column[1, 1] = 1  # all others cost nothing, so that many coefficients make no error
    matrix = {"identity": torch.eye(4).double(), "triangular": triangular_metric(4), "one column": column}[metric]
    targets = torch.randn(12, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    targets *= torch.tensor([0, 1e-9, 0, 0.1, 1, 3, 6, 10, 20, 40, 80, 0])[:, None]
    expected = best_of_all_words(targets, matrix, block_format)
    assert torch.equal(encode_blocks(targets, matrix, block_format, method=method), expected)


@pytest.mark.parametrize("name", ["paper-4bit", "paper-3bit"])
def test_torch_finds_the_kernels_words_for_blocks_near_zero(name: str) -> None:
    block_format = PRESETS[name]
    directions = torch.randn(5, block_format.block_size, generator=torch.Generator().manual_seed(5)).double()
    targets = torch.tensor([0, 1e-9, 0.4, 30, 1000]).double()[:, None] * directions
    words = encode_blocks(targets, None, block_format, method="torch")
    assert torch.equal(words, encode_blocks(targets, None, block_format))
    assert words[:2].unique().tolist() == [block_format.pack(1, -8, (0,) * block_format.latent_dim)]


def test_blocks_of_zeros_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searched, done, search_blocks = list[int](), list[int](), search._search

    def counted(targets: Tensor, *others: Any) -> Tensor:
        searched.append(len(targets))
        return search_blocks(targets, *others)

    monkeypatch.setattr(search, "_search", counted)
    weights = torch.zeros(96, 64)
    weights[2, 8:16] = gaussian(1, 8)
    matrix = encode_matrix(weights, PRESETS["paper-4bit"], progress=done.append)
    assert searched == [2]
    assert sum(done) == weights.numel()
    assert not decode(matrix)[weights == 0].any()
    assert ((decode(matrix) - weights).norm() / weights.norm()).item() < 0.2
