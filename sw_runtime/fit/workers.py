"""Where rows are searched: in threads of this process, or on other machines (``cluster``)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from formats.matrices import EncodedMatrix
from formats.trellis_matrix import TrellisMatrix

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


class RowSearch(Protocol):
    """Finds the words of rows, each row by itself."""

    def search(
        self, weights: Tensor, scales: Tensor, costs: ColumnCosts, threads: int, progress: Progress | None
    ) -> EncodedMatrix | TrellisMatrix:
        """Rows [rows, columns] with their scales, [rows] or one for all of them."""


class Workers(Protocol):
    """What runs a row search."""

    @property
    def groups(self) -> int:
        """Groups of layers that are worth searching side by side."""

    def shared(self, groups: int) -> "Workers":
        """What each of so many groups searched side by side may use."""

    def search(
        self, search: RowSearch, weights: Tensor, scales: Tensor, costs: ColumnCosts, progress: Progress | None
    ) -> EncodedMatrix | TrellisMatrix:
        """The matrix that ``search`` finds, the same words whoever searches."""


@dataclass(frozen=True)
class Threads:
    """This process."""

    count: int

    @property
    def groups(self) -> int:
        """A group a thread."""
        return self.count

    def shared(self, groups: int) -> "Threads":
        """An equal share, at least one thread."""
        return Threads(max(1, self.count // max(1, groups)))

    def search(
        self, search: RowSearch, weights: Tensor, scales: Tensor, costs: ColumnCosts, progress: Progress | None
    ) -> EncodedMatrix | TrellisMatrix:
        """All rows in one search."""
        return search.search(weights, scales, costs, self.count, progress)
