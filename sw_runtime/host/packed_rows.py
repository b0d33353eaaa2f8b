"""A matrix that stays as it is stored, and is multiplied all the same."""

from typing import Protocol

from torch import Tensor


class PackedRows(Protocol):
    """Rows of a stored matrix on the host, or on its GPU."""

    def multiply(self, hidden_states: Tensor) -> Tensor:
        """[vectors, columns] of any float dtype, where the rows lie → [vectors, rows] of the same dtype."""
