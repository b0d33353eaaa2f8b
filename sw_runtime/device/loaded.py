"""What a device has loaded, by handle."""

from typing import Generic, TypeVar

from formats.errors import DeviceError

T = TypeVar("T")


class LoadedMatrices(Generic[T]):
    """Matrices as a device keeps them; a handle is never used twice."""

    def __init__(self) -> None:
        self._matrices: dict[int, T] = {}
        self._next_handle = 1

    def add(self, matrix: T) -> int:
        """Keep a matrix and return its handle."""
        handle, self._next_handle = self._next_handle, self._next_handle + 1
        self._matrices[handle] = matrix
        return handle

    def __getitem__(self, handle: int) -> T:
        if type(handle) is not int or handle not in self._matrices:  # True and 1.0 would be 1
            raise DeviceError(f"no matrix with handle {handle!r} on this device; load it first")
        return self._matrices[handle]

    def remove(self, handle: int) -> None:
        """Forget a matrix.

        Raises
        ------
        DeviceError
            If the handle is unknown.
        """
        self[handle]
        del self._matrices[handle]

    def clear(self) -> None:
        """Forget all matrices."""
        self._matrices.clear()
