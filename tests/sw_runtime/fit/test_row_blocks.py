"""Rows searched block by block: the same matrix, and no finished block searched again."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from formats.presets import PRESETS, TRELLIS_PRESETS
from sw_runtime.fit import row_blocks
from sw_runtime.fit.covariance import InputStatistics, input_statistics
from sw_runtime.fit.encoders import Inputs, RowEncoder, encoder_of
from sw_runtime.fit.row_blocks import ColumnCosts, NothingKept, RowJob
from sw_runtime.fit.workers import Threads

COLUMNS = 24
FORMATS = ["trellis-3bit", "scaled-3bit", "paper-4bit"]


class Kept(dict[str, dict[str, Tensor]]):
    """Blocks in memory."""

    def find(self, key: str) -> dict[str, Tensor] | None:
        return self.get(key)

    def keep(self, key: str, tensors: dict[str, Tensor]) -> None:
        self[key] = tensors


def gaussian(rows: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, COLUMNS, generator=torch.Generator().manual_seed(seed))


def statistics(seed: int = 1) -> InputStatistics:
    return input_statistics(gaussian(300, seed) * torch.logspace(-1, 1, COLUMNS))


def encoded(name: str, matrices: list[Tensor], inputs: Inputs, threads: Threads, done: list[int]) -> list[Tensor]:
    encoder = encoder_of(name)
    method = encoder.methods[0] if inputs.statistics else encoder.methods[-1]
    found = encoder.encode(matrices, method, inputs, threads, done.append)
    return [torch.cat([matrix.words for matrix in found]), torch.cat([matrix.scales for matrix in found])]  # type: ignore[attr-defined]


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize("name", FORMATS)
def test_blocks_of_any_size_make_the_matrix_that_one_search_makes(
    name: str, calibrated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrices, inputs = [gaussian(7), gaussian(12, 5)], Inputs(statistics() if calibrated else None)
    whole = encoded(name, matrices, inputs, Threads(1), [])
    for rows, threads in ((5, 1), (4, 2)):
        monkeypatch.setattr(row_blocks, "WEIGHTS_A_BLOCK", rows * COLUMNS)
        done: list[int] = []
        parts = encoded(name, matrices, inputs, Threads(threads), done)
        assert all(torch.equal(part, expected) for part, expected in zip(parts, whole, strict=True))
        assert sum(done) == 19 * COLUMNS


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize("name", FORMATS)
def test_finished_blocks_are_taken_as_they_are_and_count_as_done(
    name: str, calibrated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_blocks, "WEIGHTS_A_BLOCK", 4 * COLUMNS)
    matrices, inputs, kept = [gaussian(6), gaussian(5, 5)], Inputs(statistics() if calibrated else None), Kept()
    first = encoded(name, matrices, inputs, Threads(1, kept), [])
    assert len(kept) == 3
    lost = next(key for key in kept if key.startswith("4-"))
    del kept[lost]
    searched: list[int] = []
    search = type(encoder_of(name)).search  # type: ignore[attr-defined]

    def counted(self: RowEncoder, weights: Tensor, *others: object) -> object:
        searched.append(len(weights))
        return search(self, weights, *others)

    monkeypatch.setattr(type(encoder_of(name)), "search", counted)
    done: list[int] = []
    second = encoded(name, matrices, inputs, Threads(1, kept), done)
    assert searched == [4]
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert sum(done) == 11 * COLUMNS


def keys(name: str = FORMATS[0], weights: Tensor | None = None, inputs: Inputs | None = None) -> set[str]:
    kept = Kept()
    encoded(name, [gaussian(4) if weights is None else weights], inputs or Inputs(statistics()), Threads(1, kept), [])
    return set(kept)


def test_a_block_is_known_by_all_that_its_words_depend_on() -> None:
    assert keys() == keys()
    changed = gaussian(4)
    changed[2, 3] += 1e-6
    others = [
        keys("trellis-4bit"),
        keys(weights=changed),
        keys(inputs=Inputs(statistics(2))),
        keys(inputs=Inputs(None)),
    ]
    assert len(set.union(keys(), *others)) == 5


def test_equal_blocks_of_one_matrix_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_blocks, "WEIGHTS_A_BLOCK", 2 * COLUMNS)
    assert len(keys(weights=gaussian(2).repeat(3, 1))) == 3


def test_only_the_block_that_is_searched_is_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_blocks, "WEIGHTS_A_BLOCK", 4 * COLUMNS)
    matrices = [gaussian(3).bfloat16(), gaussian(7, 5).bfloat16()]
    encoder = encoder_of(FORMATS[0])
    assert isinstance(encoder, RowEncoder)
    job = RowJob(encoder, matrices, torch.arange(10.0), ColumnCosts(), NothingKept(), None)
    blocks = list(job.blocks(cores=1))
    assert [block.first for block in blocks] == [0, 4, 8]
    assert torch.equal(torch.cat([block.weights for block in blocks]), torch.cat(matrices).float())
    assert torch.equal(torch.cat([block.scales for block in blocks]), torch.arange(10.0))


def test_without_a_compiler_the_search_is_slower_and_its_blocks_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_blocks, "WEIGHTS_A_BLOCK", 128 * COLUMNS)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    encoder = encoder_of(FORMATS[0])
    assert isinstance(encoder, RowEncoder)
    job = RowJob(encoder, [gaussian(10)], torch.ones(10), ColumnCosts(), NothingKept(), None)
    assert [block.first for block in job.blocks(cores=1)] == [0, 4, 8]


def test_a_block_of_the_widest_rows_is_one_row_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_blocks, "WEIGHTS_A_BLOCK", 8)
    assert len(keys(weights=gaussian(3))) == 3


def test_every_searched_format_can_be_taken_up_again() -> None:
    for name in (*PRESETS, *TRELLIS_PRESETS):
        encoder = encoder_of(name)
        assert isinstance(encoder, RowEncoder)
        assert encoder.matrix(torch.zeros(2, 3, dtype=torch.int64), torch.ones(2), 24).name == name
