"""Weight matrices as paths through a trellis."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from formats.arguments import check_types
from formats.errors import InputError
from formats.matrices import check_words, lane_octets, no_tables
from formats.presets import is_registered
from formats.trellis import WORD_WEIGHTS, TrellisFormat

CHUNK_WORDS = 1 << 16
"""Words decoded at once: enough to amortise a call, few enough for moderate memory."""


@dataclass(frozen=True)
class TrellisMatrix:
    """A weight matrix as trellis words.

    Parameters
    ----------
    trellis_format
        Layout and code of the words.
    words
        int64 [rows, blocks]; each row starts with an empty register.
    scales
        float32 [rows].
    columns
        Weights a row, without the padding of the last word.

    Raises
    ------
    InputError
        If an argument is of another type.
    """

    trellis_format: TrellisFormat
    words: Tensor
    scales: Tensor
    columns: int

    shares_scale: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_types(
            trellis_format=(self.trellis_format, TrellisFormat),
            words=(self.words, Tensor),
            scales=(self.scales, Tensor),
            columns=(self.columns, int),
        )

    @property
    def name(self) -> str:
        """Name of the trellis format."""
        return self.trellis_format.name

    @property
    def rows(self) -> int:
        """Number of rows (output features)."""
        return self.words.shape[0]

    def check_format(self) -> None:
        """Refuse a format that is no preset, and words or scales that are not of it.

        Raises
        ------
        InputError
            Naming the format or the tensor.
        """
        if not is_registered(self.trellis_format):
            raise InputError(f"{self.name} is the name of a preset, and the matrix's format has other parameters")
        check_words(self.words, self.scales, self.trellis_format.blocks(self.columns), self.shares_scale)

    def integers(self) -> Tensor:
        """Integer weights: int8 [rows, columns]."""
        weights = torch.empty(self.rows, self.columns, dtype=torch.int8)
        for rows, integers in _decoded_rows(self.words, self.trellis_format):
            weights[rows] = integers[:, : self.columns]
        return weights

    def unit_scales(self) -> Tensor:
        """``scales``."""
        return self.scales

    def accumulator_bits(self, activation_bits: int) -> int:
        """Signed bits that hold any result; the bound is the format's."""
        return self.trellis_format.accumulator_bits(self.columns, activation_bits)

    def lane_words(self, block_size: int) -> NDArray[np.uint8]:
        """Words: uint8 [rows, blocks, bytes], or [rows, blocks, bits] where a word is no whole bytes."""
        return lane_octets(self.words, self.trellis_format.word_bits)

    def table_bytes(self, groups: int, lanes: int) -> NDArray[np.uint8]:
        """None: uint8 [groups, 0]."""
        return no_tables(groups)

    def without_weights(self) -> "TrellisMatrix":
        """The scales; the words, 8 bytes each, stay behind."""
        return replace(self, words=self.words.new_empty(self.rows, 0))


@cache
def stream_table(trellis_format: TrellisFormat) -> Tensor:
    """The weight of every window as it lies in the stream, the oldest bit lowest: int8 [2^L]."""
    length = trellis_format.window_bits
    stream = torch.arange(1 << length)
    window = sum((stream >> i & 1) << (length - 1 - i) for i in range(length))
    return torch.tensor(trellis_format.window_table, dtype=torch.int8)[window]


def _decoded_rows(words: Tensor, trellis_format: TrellisFormat) -> Iterator[tuple[slice, Tensor]]:
    """Rows and their integer weights, int8 [some rows, padded columns], chunk by chunk; words int64 [rows, blocks].

    A word and the L stream bits before it, which lie below it, hold the windows of all its weights.
    """
    table, length, bits = stream_table(trellis_format), trellis_format.window_bits, trellis_format.word_bits
    ends = np.cumsum([trellis_format.fresh(weight) for weight in range(WORD_WEIGHTS)]).tolist()
    step = max(1, CHUNK_WORDS // max(1, words.shape[1]))
    for first in range(0, len(words), step):
        rows = slice(first, min(first + step, len(words)))
        stream = words[rows] << length
        for back in range(1, min(-(-length // bits), words.shape[1] - 1) + 1):
            earlier = words[rows, :-back]
            places = length - back * bits
            stream[:, back:] |= earlier << places if places >= 0 else earlier >> -places
        windows = torch.stack([stream >> end & (1 << length) - 1 for end in ends], dim=-1)
        yield rows, table[windows.flatten(1)]
