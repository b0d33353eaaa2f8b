"""Finished blocks of rows on disk, until the layers that they belong to are finished."""

from torch import Tensor

from sw_runtime.compress.partial import PartialResults


class RowParts:
    """Blocks of rows of one group of layers, kept among the parts of a compression.

    Parameters
    ----------
    partial
        The parts.
    name
        Of the group's first layer.
    """

    def __init__(self, partial: PartialResults, name: str) -> None:
        self._partial = partial
        self._name = name
        self._parts: set[str] = set()

    def find(self, key: str) -> dict[str, Tensor] | None:
        """The tensors of a finished block; None of one that is not there, or damaged."""
        part = self._part(key)
        return self._partial.load(part)[0] if self._partial.has(part) else None

    def keep(self, key: str, tensors: dict[str, Tensor]) -> None:
        """Keep a finished block."""
        self._partial.save(self._part(key), tensors, {})

    def remove(self) -> None:
        """Delete all blocks that were asked for or kept here."""
        for part in self._parts:
            self._partial.delete(part)
        self._parts.clear()

    def _part(self, key: str) -> str:
        part = f"{self._name}.rows-{key}"
        self._parts.add(part)
        return part
