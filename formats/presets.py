"""The formats that ship, one record each: its layout, and the constants that fit weights into it.

A new block format is one ``register`` call. Everything that compresses, stores, loads or runs weights asks
this table, so nothing else has to know its name. ``benchmarks/format_constants.py`` measures the constants.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from formats.block import BlockFormat
from formats.errors import InputError


@dataclass(frozen=True)
class Preset:
    """A block format and what is known of it on Gaussian rows.

    Parameters
    ----------
    block_format
        The layout.
    ordinary_error
        Relative error ``‖W − Ŵ‖ / ‖W‖`` on Gaussian weights.
    row_step
        Scale of a row over its root mean square; None for formats without row scales. A flat optimum:
        15 % either way costs 2 to 3 % of the error.
    rounding_error
        Squared error over the row's mean square at that scale, what clipping costs left out; None likewise.
    reach
        Largest weight at that scale over the row's root mean square; None likewise.
    next
        Format with more bits that a layer takes when this one spoils its output; None: FP16 comes next.
    mixed
        Takes part where formats are mixed to a number of bits per weight.
    bucketed_from
        Blocks of a batch from which the bucketed search is faster than the plain one; None: never, as for
        formats with many coefficients (the lattice takes the time, not the scan) or long blocks (cells are
        too wide).

    Raises
    ------
    InputError
        If a format with row scales lacks one of their three constants.
    """

    block_format: BlockFormat
    ordinary_error: float
    row_step: float | None = None
    rounding_error: float | None = None
    reach: float | None = None
    next: str | None = None
    mixed: bool = False
    bucketed_from: int | None = None

    def __post_init__(self) -> None:
        constants = (self.row_step, self.rounding_error, self.reach)
        if not self.block_format.exponent_bits and None in constants:
            raise InputError(f"{self.name} has row scales: its preset needs row_step, rounding_error and reach")

    @property
    def name(self) -> str:
        """What files, commands and tables call it."""
        return self.block_format.name


_REGISTERED: dict[str, Preset] = {}


class _Formats(Mapping[str, BlockFormat]):
    """The layouts of all registered presets by name, in the order of registration."""

    def __getitem__(self, name: str) -> BlockFormat:
        return _REGISTERED[name].block_format

    def __iter__(self) -> Iterator[str]:
        return iter(_REGISTERED)

    def __len__(self) -> int:
        return len(_REGISTERED)


PRESETS: Mapping[str, BlockFormat] = _Formats()
"""Name → layout of every registered preset."""


def register(preset: Preset) -> None:
    """Make a preset known to everything that asks for formats by name.

    Raises
    ------
    InputError
        If the name is taken by another preset, or the format named as ``next`` is not registered.
    """
    if _REGISTERED.get(preset.name, preset) != preset:
        raise InputError(f"a preset {preset.name!r} is registered already, with other parameters; choose another name")
    if preset.next is not None and preset.next not in _REGISTERED:
        raise InputError(f"{preset.name} goes on with {preset.next!r}, which is not registered; register that first")
    _REGISTERED[preset.name] = preset


def is_registered(block_format: BlockFormat) -> bool:
    """Whether a preset of exactly these parameters is registered."""
    preset = _REGISTERED.get(block_format.name)
    return preset is not None and preset.block_format == block_format


def preset_of(block_format: BlockFormat) -> Preset:
    """The record of a format.

    Raises
    ------
    InputError
        If the format is not registered, or its name stands for other parameters.
    """
    if not is_registered(block_format):
        raise InputError(
            f"no preset {block_format.name!r} with these parameters is registered; "
            "formats.presets.register adds one with its constants"
        )
    return _REGISTERED[block_format.name]


def mixed_formats() -> tuple[str, ...]:
    """Names of the formats that are mixed to a number of bits per weight, from fewest to most bits."""
    mixed = [preset.block_format for preset in _REGISTERED.values() if preset.mixed]
    return tuple(block_format.name for block_format in sorted(mixed, key=lambda found: found.bits_per_weight))


for _preset in (
    Preset(BlockFormat("paper-4bit", 8, 3, 16, 4, 4), ordinary_error=0.12, bucketed_from=1 << 15),
    Preset(BlockFormat("paper-3bit", 12, 4, 16, 4, 4), ordinary_error=0.22, next="paper-4bit"),
    Preset(
        BlockFormat("scaled-4bit", 8, 6, 14, 0, 3, entry_bits=2, odd_coefficients=True),
        ordinary_error=0.081,
        row_step=0.050,
        rounding_error=0.0066,
        reach=6.0,
        mixed=True,
    ),
    Preset(
        BlockFormat("scaled-3bit", 8, 5, 14, 0, 2, entry_bits=2, odd_coefficients=True),
        ordinary_error=0.159,
        row_step=0.105,
        rounding_error=0.0253,
        reach=4.6,
        next="scaled-4bit",
        mixed=True,
    ),
    Preset(
        BlockFormat("scaled-2bit", 12, 5, 14, 0, 2, entry_bits=2, odd_coefficients=True),
        ordinary_error=0.302,
        row_step=0.105,
        rounding_error=0.0912,
        reach=4.6,
        next="scaled-3bit",
        mixed=True,
    ),
):
    register(_preset)
