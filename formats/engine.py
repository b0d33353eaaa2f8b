"""What an engine is built for, and the shape of its memory traffic that follows.

Needs neither torch nor amaranth: hosts lay out beats with it, hardware derives widths from it.

A *beat* is what the memory port hands over in one cycle. Weights come as beats of one block word a
lane, lane 0 lowest; activations as words of whole column blocks, see ``activation_beats``. A beat of a
64-byte port and 32-bit words::

     511        480       63       32 31        0
    +--------------+-----+-----------+-----------+
    |   lane 15    | ... |  lane 1   |  lane 0   |   the words of one column block of 16 rows
    +--------------+-----+-----------+-----------+
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from formats.arguments import check_integers
from formats.errors import InputError
from formats.fp16 import FP16, Fp16Format
from formats.palette_format import PaletteFormat
from formats.presets import PALETTES, PRESETS, TRELLIS_PRESETS
from formats.weight_format import LaneFormat, WeightFormat

MOST_COLUMNS, MOST_ROWS = 32768, 1 << 20
"""Of the largest matrix that any engine takes."""

RESULT_BITS = 64
"""Bits of a result on the read-out port, sign-extended."""

RESULT_SLOTS = 4
"""Row groups whose results may be under way at once."""

GENERATOR_LATENCY = 4
"""Cycles from a word to its weights, the same for every format."""


def format_names() -> tuple[str, ...]:
    """Every weight format an engine can hold: registered presets, trellises, palettes, FP16."""
    return (*PRESETS, *TRELLIS_PRESETS, *PALETTES, FP16)


def adder_levels(terms: int) -> int:
    """Registered levels of a tree that adds ``terms`` numbers."""
    return (terms - 1).bit_length()


def products_per_weight(lane_formats: Sequence[LaneFormat], multiplier_bits: int) -> int:
    """Products that multiply one weight: two where the widest format's weights pass the multiplier."""
    return 2 if max(f.sum_bits for f in lane_formats) > multiplier_bits else 1


def lane_latency(lane_formats: Sequence[LaneFormat], multiplier_bits: int) -> int:
    """Cycles from a block word to its sums: generator, product, adder tree, shift if there are exponents."""
    products = max(f.block_size for f in lane_formats) * products_per_weight(lane_formats, multiplier_bits)
    return GENERATOR_LATENCY + 1 + adder_levels(products) + any(f.exponent_bits for f in lane_formats)


def fp16_lane_latency(fp16_format: WeightFormat) -> int:
    """Cycles from a word of FP16 weights to its sums: decode, product, shift, adder tree."""
    return GENERATOR_LATENCY + 2 + adder_levels(fp16_format.block_size)


BATCHES = range(1, 17)
"""Vectors that may share one pass over the weights."""


@dataclass(frozen=True)
class EngineParameters:
    """An engine's size.

    Parameters
    ----------
    formats
        Names of the weight formats it holds; a matrix names its own.
    port_bytes
        Bytes the memory port hands over a cycle: 4, 8, 16, 32 or 64.
    lanes
        Most lanes to build; 0 builds as many as the port feeds.
    activation_bits
        Signed bits of an activation, 8 or 16.
    batch
        Vectors that share one pass over the weights.
    maximum_columns, maximum_rows
        Largest matrix.
    multiplier_bits
        Widest weight that one multiplier takes: 18 on ECP5, 25 on 7-series. Wider ones, those of the
        paper formats on ECP5, are multiplied in two parts that the adder tree joins.

    Raises
    ------
    InputError
        If a parameter is of another type or out of range, or the port cannot carry a word, naming it.
    """

    formats: tuple[str, ...]
    port_bytes: int = 64
    lanes: int = 0
    activation_bits: int = 16
    batch: int = 1
    maximum_columns: int = 4096
    maximum_rows: int = 65536
    multiplier_bits: int = 25

    def __post_init__(self) -> None:
        if not isinstance(self.formats, tuple):
            raise InputError(f"formats must be a tuple of names, such as ('scaled-4bit',), not {self.formats!r}")
        for name in self.formats:
            if name not in format_names():
                raise InputError(f"unknown format {name!r}; known are {', '.join(format_names())}")
        if not self.formats or len(set(self.formats)) != len(self.formats):
            raise InputError(f"formats must be one or more different names, not {self.formats!r}")
        check_integers(
            port_bytes=(self.port_bytes, (4, 8, 16, 32, 64)),
            activation_bits=(self.activation_bits, (8, 16)),
            lanes=(self.lanes, range(65)),
            batch=(self.batch, BATCHES),
            maximum_columns=(self.maximum_columns, range(1, MOST_COLUMNS + 1)),
            maximum_rows=(self.maximum_rows, range(1, MOST_ROWS + 1)),
            multiplier_bits=(self.multiplier_bits, range(12, 33)),
        )
        for weight_format in self.weight_formats:
            if weight_format.word_bits > self.port_bits:
                needed = -(-weight_format.word_bits // 8)
                raise InputError(
                    f"port_bytes={self.port_bytes} cannot carry a {weight_format.word_bits}-bit word of "
                    f"{weight_format.name}; it takes {needed} or more"
                )
            if weight_format.rows_a_table % self.lanes_for(weight_format):
                raise InputError(
                    f"lanes={self.lanes} would mix rows of different tables of {weight_format.name}; "
                    "take 1, 2, 4, 8 or 16"
                )

    @cached_property
    def weight_formats(self) -> tuple[WeightFormat, ...]:
        """The formats themselves, in the order a command numbers them."""
        return tuple(self._weight_format(name) for name in self.formats)

    def _weight_format(self, name: str) -> WeightFormat:
        if name == FP16:
            return Fp16Format(block_size=min(8, self.port_bytes // 2))
        if name in PALETTES:
            palette = PALETTES[name]
            table_bits = PaletteFormat.sum_bits << palette.code_bits
            return PaletteFormat(
                name, palette.code_bits, palette.codes_a_word, table_blocks=-(-table_bits // self.port_bits)
            )
        return TRELLIS_PRESETS[name] if name in TRELLIS_PRESETS else PRESETS[name]

    @cached_property
    def lane_formats(self) -> tuple[LaneFormat, ...]:
        """The formats that share a lane's multipliers: seeds, trellises and palettes."""
        return tuple(cast(LaneFormat, f) for f in self.weight_formats if not f.has_own_lanes)

    @cached_property
    def palette_formats(self) -> tuple[PaletteFormat, ...]:
        """The formats of codes and tables."""
        return tuple(cast(PaletteFormat, f) for f in self.weight_formats if f.table_blocks)

    @property
    def maximum_table_blocks(self) -> int:
        """Beats of the largest table; 0 where the engine holds no palettes."""
        return max(f.table_blocks for f in self.weight_formats)

    @cached_property
    def fp16_format(self) -> Fp16Format | None:
        """The baseline's format, if the engine holds it."""
        return next((cast(Fp16Format, f) for f in self.weight_formats if f.has_own_lanes), None)

    @property
    def port_bits(self) -> int:
        """Bits of a beat."""
        return 8 * self.port_bytes

    @property
    def maximum_block_size(self) -> int:
        """Activations that enter the lanes together."""
        return max(f.block_size for f in self.weight_formats)

    @property
    def results_per_beat(self) -> int:
        """Results of ``RESULT_BITS`` that leave together."""
        return max(1, self.port_bits // RESULT_BITS)

    @property
    def accumulator_bits(self) -> int:
        """Signed bits of every accumulator: the widest any format of the engine needs."""
        return max(f.accumulator_bits(self.maximum_columns, self.activation_bits) for f in self.weight_formats)

    def lanes_for(self, weight_format: WeightFormat) -> int:
        """Rows that one beat of weights feeds."""
        fed = self.port_bits // weight_format.word_bits
        return min(fed, self.lanes) if self.lanes else fed

    def row_groups(self, weight_format: WeightFormat, rows: int) -> int:
        """Passes over the columns: ``lanes_for`` rows each."""
        return -(-rows // self.lanes_for(weight_format))

    def beats_per_activation_word(self, weight_format: WeightFormat) -> int:
        """Beats that hold one column block of activations, if a beat is too narrow for it."""
        return -(-weight_format.block_size * self.activation_bits // self.port_bits)

    def blocks_per_activation_word(self, weight_format: WeightFormat) -> int:
        """Column blocks of activations in one beat, if a beat is wide enough."""
        return max(1, self.port_bits // (weight_format.block_size * self.activation_bits))

    def activation_words(self, weight_format: WeightFormat, columns: int) -> int:
        """Words of the activation memory that one vector fills."""
        return -(-weight_format.blocks(columns) // self.blocks_per_activation_word(weight_format))

    def activation_beats(self, weight_format: WeightFormat, columns: int) -> int:
        """Beats that load one vector."""
        return self.activation_words(weight_format, columns) * self.beats_per_activation_word(weight_format)

    def weight_beats(self, weight_format: WeightFormat, rows: int, columns: int) -> int:
        """Beats of a matrix."""
        return self.row_groups(weight_format, rows) * weight_format.blocks(columns)

    def beat_bits(self, weight_format: WeightFormat) -> int:
        """Bits that a beat of weights holds, and takes in a memory in which beats lie without gaps."""
        if weight_format.table_blocks:  # a table's beats are full
            return self.port_bits
        return self.lanes_for(weight_format) * weight_format.word_bits

    def lane_latency(self, weight_format: WeightFormat) -> int:
        """Cycles from a lane's word to its sums."""
        if weight_format.has_own_lanes:
            return fp16_lane_latency(weight_format)
        return lane_latency(self.lane_formats, self.multiplier_bits)

    def result_beats(self, weight_format: WeightFormat) -> int:
        """Beats that read out one vector's results of one row group."""
        return -(-self.lanes_for(weight_format) // self.results_per_beat)
