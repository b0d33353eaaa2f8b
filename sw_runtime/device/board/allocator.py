"""Allocator: who has which bytes of a board's memory."""

from formats.errors import DeviceError


class Allocator:
    """Hands out ranges of bytes and takes them back; a range goes into the smallest gap that holds it.

    Parameters
    ----------
    start, end
        First byte, and the one behind the last.
    alignment
        Every range begins at a multiple of this.
    """

    def __init__(self, start: int, end: int, alignment: int) -> None:
        self._alignment = alignment
        self._end = end
        self._gaps = [(self._aligned(start), end)]
        self._ranges: dict[int, int] = {}

    @property
    def free_bytes(self) -> int:
        """Bytes of all gaps."""
        return sum(end - start for start, end in self._gaps)

    def check_room(self, nbytes: int) -> None:
        """Refuse more than all gaps hold.

        Raises
        ------
        DeviceError
            Naming what is needed, what is free, the memory's size, and by how much it is too small.
        """
        if nbytes > self.free_bytes:
            raise DeviceError(
                f"the board's memory is too small by {nbytes - self.free_bytes:,} bytes: {nbytes:,} are needed, "
                f"{self.free_bytes:,} of {self._end:,} are free; use fewer bits per weight or a board with more memory"
            )

    def allocate(self, nbytes: int) -> int:
        """First byte of a range of its own.

        Raises
        ------
        DeviceError
            If no gap is large enough.
        """
        size = self._aligned(nbytes)
        self.check_room(size)
        gaps = [(end - start, start) for start, end in self._gaps if end - start >= size]
        if not gaps:
            largest = max(end - start for start, end in self._gaps)
            raise DeviceError(
                f"{nbytes:,} bytes fit in no gap of the board's memory: {self.free_bytes:,} are free, "
                f"{largest:,} of them in one piece; unload all matrices and load them again"
            )
        length, start = min(gaps)
        position = self._gaps.index((start, start + length))
        self._gaps[position : position + 1] = [(start + size, start + length)] if length > size else []
        self._ranges[start] = size
        return start

    def free(self, start: int) -> None:
        """Take a range back."""
        gaps = sorted([*self._gaps, (start, start + self._ranges.pop(start))])
        self._gaps = gaps[:1]
        for first, end in gaps[1:]:
            if first == self._gaps[-1][1]:
                self._gaps[-1] = (self._gaps[-1][0], end)
            else:
                self._gaps.append((first, end))

    def _aligned(self, nbytes: int) -> int:
        return nbytes + -nbytes % self._alignment
