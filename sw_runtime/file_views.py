"""Weights that are read from their file when they are used, and whose memory is given back after.

transformers loads a safetensors file as a view: the system reads a page of it when a weight there is first touched,
and keeps it while memory is left. Giving pages back at once keeps a process as small as the layer it works on.
"""

import ctypes
import mmap
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

from torch import nn

MAPPINGS = Path("/proc/self/maps")
"""Where Linux lists a process's memory. Elsewhere nothing is given back before the system asks for it."""


class FileViews:
    """Those of a model's weights that are views of files.

    Parameters
    ----------
    model
        Loaded from files. Changes of its weights in place would be lost.
    """

    def __init__(self, model: nn.Module) -> None:
        tensors = [*model.parameters(), *model.buffers()]
        addresses = sorted(tensor.data_ptr() for tensor in tensors)
        self._ranges = [
            (start, end)
            for start, end in _file_mappings()
            if bisect_left(addresses, start) < bisect_left(addresses, end)
        ]
        self._whole = sum(parameter.nbytes for parameter in model.parameters())
        self._tensors = [tensor for tensor in tensors if self._holds(tensor.data_ptr())]  # keeps the files mapped

    def _holds(self, address: int) -> bool:
        return any(start <= address < end for start, end in self._ranges)

    @property
    def nbytes(self) -> int:
        """Bytes of the weights that are views."""
        return sum(tensor.nbytes for tensor in self._tensors)

    @property
    def held(self) -> int:
        """Bytes of the model's parameters that are no views; 0 where the system does not list its memory."""
        views = sum(tensor.nbytes for tensor in self._tensors if isinstance(tensor, nn.Parameter))
        return self._whole - views if MAPPINGS.exists() else 0

    def release(self) -> None:
        """Give back the memory of all of them; they are read again when they are next used."""
        for start, end in self._ranges:
            ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)


def _file_mappings() -> Iterator[tuple[int, int]]:
    """Address ranges of this process that are files."""
    if not MAPPINGS.exists():
        return
    for line in MAPPINGS.read_text(encoding="utf-8", errors="replace").splitlines():
        addresses, *_, path = line.split(maxsplit=5)
        if path.startswith("/"):
            start, end = (int(address, 16) for address in addresses.split("-"))
            yield start, end
