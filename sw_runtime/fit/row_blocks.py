"""Matrices searched block of rows by block of rows, so that what is found is kept while the search goes on.

Rows are searched alone, so the words are those of one search of all rows. A finished block is known by all that it
was found from: another run that would search the same rows finds it.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from formats.matrices import EncodedMatrix
from formats.trellis_matrix import TrellisMatrix
from sw_runtime.c_library import has_compiler

WEIGHTS_A_BLOCK = 1 << 21
"""Weights of a block, a core: 5 s of it for a trellis, 10 to 25 s for the block formats (measured, in C)."""

TORCH_IS_SLOWER = 32
"""Without a C compiler the search runs in torch, and a block has so many times fewer weights: 5 to 33 s (derived)."""

SearchedMatrix = EncodedMatrix | TrellisMatrix
"""What a search of rows finds."""

Progress = Callable[[int], object]
"""Called with the number of weights done since it was called last."""


@dataclass(frozen=True)
class ColumnCosts:
    """What errors in the columns cost; all columns alike where neither is given.

    Parameters
    ----------
    factor
        Errors are fed back by it: ``feedback.inverse_factor``, float64 [columns, columns].
    importance
        Weight of each column's squared error, [columns].
    """

    factor: Tensor | None = None
    importance: Tensor | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of both."""
        return _digest(*(tensor for tensor in (self.factor, self.importance) if tensor is not None))


class RowSearch(Protocol):
    """Finds the words of rows, each row by itself. Its ``repr`` says all of it."""

    def search(
        self, weights: Tensor, scales: Tensor, costs: ColumnCosts, threads: int, progress: Progress | None
    ) -> SearchedMatrix:
        """Rows, float32 [rows, columns], with their scales, [rows] or one for all of them."""

    def matrix(self, words: Tensor, scales: Tensor, columns: int) -> SearchedMatrix:
        """The matrix of words and scales that a search found."""


@dataclass(frozen=True)
class RowBlock:
    """Rows that are searched at once.

    Parameters
    ----------
    first
        Number of the first one among all.
    weights, scales
        float32 [rows, columns], and [rows] or one for all of them.
    """

    first: int
    weights: Tensor
    scales: Tensor


class KeptBlocks(Protocol):
    """Where finished blocks are kept."""

    def find(self, key: str) -> dict[str, Tensor] | None:
        """The tensors of a finished block; None of one that is not there."""

    def keep(self, key: str, tensors: dict[str, Tensor]) -> None:
        """Keep a finished block."""


class NothingKept:
    """Nowhere."""

    def find(self, key: str) -> None:
        """None."""

    def keep(self, key: str, tensors: dict[str, Tensor]) -> None:
        """Nothing is done."""


@dataclass(frozen=True)
class RowJob:
    """Matrices that multiply one input, to be searched as if they were stacked.

    Parameters
    ----------
    search
        What finds the words.
    matrices
        [rows, columns] each, of any float dtype.
    scales
        Of all rows under each other, float32 [rows]; or [1], of all alike.
    costs
        What errors in the columns cost.
    kept
        Where finished blocks are kept.
    progress
        Told of all weights, those found among the kept ones too.
    """

    search: RowSearch
    matrices: list[Tensor]
    scales: Tensor
    costs: ColumnCosts
    kept: KeptBlocks
    progress: Progress | None

    def blocks(self, cores: int) -> Iterator[RowBlock]:
        """All rows, in blocks for so many cores; only the block that is asked for is in memory as float32."""
        columns, rows = self.matrices[0].shape[1], sum(map(len, self.matrices))
        weights = WEIGHTS_A_BLOCK if has_compiler() else WEIGHTS_A_BLOCK // TORCH_IS_SLOWER
        step = max(1, cores * weights // columns)
        for first in range(0, rows, step):
            part = slice(first, first + step)
            yield RowBlock(first, self._weights(part), self.scales[part] if len(self.scales) == rows else self.scales)

    def _weights(self, part: slice) -> Tensor:
        found, start = [], 0
        for matrix in self.matrices:
            rows = matrix[max(0, part.start - start) : max(0, part.stop - start)]
            found.append(rows.float())
            start += len(matrix)
        return torch.cat(found)

    def finished(self, block: RowBlock) -> SearchedMatrix | None:
        """What was found of a block before; None where it was not searched yet."""
        found = self.kept.find(self._key(block))
        if found is None:
            return None
        self.tell(block.weights.numel())
        return self.search.matrix(found["words"], found["scales"], block.weights.shape[1])

    def keep(self, block: RowBlock, matrix: SearchedMatrix) -> None:
        """Keep what was found of a block."""
        self.kept.keep(self._key(block), {"words": matrix.words, "scales": matrix.scales})

    def tell(self, weights: int) -> None:
        """Say that so many weights are done."""
        if self.progress:
            self.progress(weights)

    def _key(self, block: RowBlock) -> str:
        """A block's place, and the SHA-256 of all that its words depend on."""
        digest = _digest(block.weights, block.scales, text=f"{self.search!r} {self.costs.digest}")
        return f"{block.first}-{digest[:32]}"


def _digest(*tensors: Tensor, text: str = "") -> str:
    found = hashlib.sha256(text.encode())
    for tensor in tensors:
        found.update(f"{tensor.dtype} {list(tensor.shape)}".encode())
        found.update(tensor.contiguous().numpy().data)
    return found.hexdigest()


def joined(parts: list[SearchedMatrix]) -> SearchedMatrix:
    """Blocks of rows under each other."""
    first = parts[0]
    scales = first.scales if first.shares_scale else torch.cat([part.scales for part in parts])
    return replace(first, words=torch.cat([part.words for part in parts]), scales=scales)
