"""Products with rows of float16 numbers."""

from torch import Tensor

TILE_WEIGHTS = 1 << 18
"""Weights that are converted at once."""


class Fp16Rows:
    """A matrix of float16 numbers, multiplied in the dtype of the hidden states.

    Parameters
    ----------
    weights
        float16 [rows, columns], on any torch device.
    """

    def __init__(self, weights: Tensor) -> None:
        self._weights = weights

    def multiply(self, hidden_states: Tensor) -> Tensor:
        """[vectors, columns] of any float dtype → [vectors, rows] of the same dtype."""
        rows, columns = self._weights.shape
        outputs = hidden_states.new_empty(len(hidden_states), rows)
        step = max(1, TILE_WEIGHTS // columns)
        for first in range(0, rows, step):
            tile = self._weights[first : first + step].to(hidden_states.dtype)
            outputs[:, first : first + step] = hidden_states @ tile.T
        return outputs
