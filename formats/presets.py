"""The formats that ship, one record each: its layout, and the constants that fit weights into it.

A new format is one ``register`` call. Everything that compresses, stores, loads or runs weights asks this
table, and asks it alike for every family, so nothing else has to know a format's name.
``benchmarks/format_constants.py`` measures the constants.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from formats.arguments import check_types
from formats.block import BlockFormat
from formats.errors import InputError
from formats.fp16 import FP16
from formats.palette_format import Palette
from formats.trellis import MASKS, UPPER_HALF, WINDOW_BITS, TrellisFormat, odd_table

Layout = BlockFormat | TrellisFormat | Palette
"""How a format stores rows of weights; the class is the format's family."""


@dataclass(frozen=True)
class Preset:
    """A format and what is known of it on Gaussian rows.

    Parameters
    ----------
    layout
        How it stores rows of weights.
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
        Takes part where formats of its family are mixed to a number of bits per weight.
    bucketed_from
        Blocks of a batch from which the bucketed search is faster than the plain one; None: never, as for
        formats with many coefficients (the lattice takes the time, not the scan) or long blocks (cells are
        too wide).

    Raises
    ------
    InputError
        If an argument is of another type, a format with row scales lacks one of their three constants, one is no
        positive number, or the name is none that a file can have.
    """

    layout: Layout
    ordinary_error: float
    row_step: float | None = None
    rounding_error: float | None = None
    reach: float | None = None
    next: str | None = None
    mixed: bool = False
    bucketed_from: int | None = None

    def __post_init__(self) -> None:
        check_types(
            layout=(self.layout, Layout),
            next=(self.next, str | None),
            mixed=(self.mixed, bool),
            bucketed_from=(self.bucketed_from, int | None),
        )
        if not re.fullmatch(r"[\w.-]+", self.name) or self.name == FP16:
            raise InputError(
                f"a preset is called by letters, digits, dots and hyphens, and not fp16; not {self.name!r}"
            )
        constants = (self.row_step, self.rounding_error, self.reach)
        if self.layout.has_row_scales and None in constants:
            raise InputError(f"{self.name} has row scales: its preset needs row_step, rounding_error and reach")
        for constant in (self.ordinary_error, *constants):
            if constant is not None and not (isinstance(constant, int | float) and 0 < constant < math.inf):
                raise InputError(f"{self.name}: a preset's constants are positive numbers, not {constant!r}")

    @property
    def name(self) -> str:
        """What files, commands and tables call it."""
        return self.layout.name


_REGISTERED: dict[str, Preset] = {}

Family = TypeVar("Family", bound=Layout)


class _Layouts(Mapping[str, Family]):
    """The layouts of all registered presets of one family by name, in the order of registration."""

    def __init__(self, family: type[Family]) -> None:
        self._family = family

    def __getitem__(self, name: str) -> Family:
        layout = _REGISTERED[name].layout
        if not isinstance(layout, self._family):
            raise KeyError(name)
        return layout

    def __iter__(self) -> Iterator[str]:
        return (name for name, preset in _REGISTERED.items() if isinstance(preset.layout, self._family))

    def __len__(self) -> int:
        return sum(1 for _ in self)


PRESETS: Mapping[str, BlockFormat] = _Layouts(BlockFormat)
"""Name → layout of every registered block format."""

TRELLIS_PRESETS: Mapping[str, TrellisFormat] = _Layouts(TrellisFormat)
"""Name → layout of every registered trellis format."""

PALETTES: Mapping[str, Palette] = _Layouts(Palette)
"""Name → layout of every registered palette."""


def register(preset: Preset) -> None:
    """Make a preset known to everything that asks for formats by name.

    Raises
    ------
    InputError
        If it is no preset, the name is taken by another, or the format named as ``next`` is not registered.
    """
    check_types(preset=(preset, Preset))
    if _REGISTERED.get(preset.name, preset) != preset:
        raise InputError(f"a preset {preset.name!r} is registered already, with other parameters; choose another name")
    if preset.next is not None and preset.next not in _REGISTERED:
        raise InputError(f"{preset.name} goes on with {preset.next!r}, which is not registered; register that first")
    _REGISTERED[preset.name] = preset


def is_registered(layout: Layout) -> bool:
    """Whether a preset of exactly these parameters is registered."""
    preset = _REGISTERED.get(layout.name)
    return preset is not None and preset.layout == layout


def preset_of(layout: Layout) -> Preset:
    """The record of a format.

    Raises
    ------
    InputError
        If the format is not registered, or its name stands for other parameters.
    """
    if not is_registered(layout):
        raise InputError(
            f"no preset {layout.name!r} with these parameters is registered; "
            "formats.presets.register adds one with its constants"
        )
    return _REGISTERED[layout.name]


def preset_named(name: str) -> Preset:
    """The record of a format by its name.

    Raises
    ------
    InputError
        If no preset of that name is registered, naming those that are.
    """
    if name not in _REGISTERED:
        raise InputError(f"format must be one of {', '.join(_REGISTERED)}, not {name!r}")
    return _REGISTERED[name]


def mixed_formats(name: str) -> tuple[str, ...]:
    """Formats that are mixed to a number of bits per weight where ``name`` is asked for, from fewest to most bits.

    They are of its family. The paper's formats mix the scaled ones.

    Raises
    ------
    InputError
        If there is no such format, or its family has none to mix.
    """
    family = type(preset_named(name).layout)
    mixed = [preset for preset in _REGISTERED.values() if preset.mixed and type(preset.layout) is family]
    if not mixed:
        raise InputError(f"{name} has no formats to mix to a number of bits; give a scaled or a trellis format")
    return tuple(preset.name for preset in sorted(mixed, key=lambda preset: preset.layout.bits_per_weight))


def _trellis(name: str, *fresh_bits: int) -> TrellisFormat:
    return TrellisFormat(name, WINDOW_BITS, fresh_bits, MASKS, odd_table(UPPER_HALF))


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
    Preset(
        _trellis("trellis-4bit", 4),
        ordinary_error=0.070,
        row_step=0.0417,
        rounding_error=0.0049,
        reach=5.1,
        mixed=True,
    ),
    Preset(
        _trellis("trellis-3.5bit", 4, 3),
        ordinary_error=0.098,
        row_step=0.0425,
        rounding_error=0.0096,
        reach=5.2,
        next="trellis-4bit",
        mixed=True,
    ),
    Preset(
        _trellis("trellis-3bit", 3),
        ordinary_error=0.137,
        row_step=0.0408,
        rounding_error=0.0187,
        reach=5.0,
        next="trellis-3.5bit",
        mixed=True,
    ),
    Preset(
        _trellis("trellis-2.5bit", 3, 2),
        ordinary_error=0.192,
        row_step=0.0393,
        rounding_error=0.0368,
        reach=4.8,
        next="trellis-3bit",
        mixed=True,
    ),
    Preset(
        _trellis("trellis-2bit", 2),
        ordinary_error=0.270,
        row_step=0.0380,
        rounding_error=0.0729,
        reach=4.7,
        next="trellis-2.5bit",
        mixed=True,
    ),
    Preset(Palette(4), ordinary_error=0.097),
    Preset(Palette(2), ordinary_error=0.342, next="palette-4bit"),
):
    register(_preset)
