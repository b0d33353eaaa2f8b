"""The pictures of docs/formats.md show the fields that the formats have."""

import re
from pathlib import Path

import pytest

from formats.block import BlockFormat
from formats.presets import PRESETS, TRELLIS_PRESETS
from formats.trellis import TrellisFormat

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()

Fields = list[tuple[str, int, int]]
"""Name, highest and lowest bit, the highest field first."""


def pictured(name: str) -> Fields:
    """Fields of the picture under a preset's name."""
    ruler, names = re.findall(rf"^`{name}`[^\n]*\n\n```\n(.*)\n.*\n(.*)\n", PAGE, re.MULTILINE)[0]
    bits = [int(bit) for bit in ruler.split()]
    return list(zip((field.strip() for field in names.strip("|").split("|")), bits[::2], bits[1::2], strict=True))


def stored(layout: BlockFormat | TrellisFormat) -> Fields:
    """Fields of a preset's word."""
    if isinstance(layout, BlockFormat):
        widths = {"seed": layout.lfsr_bits, "exponent": layout.exponent_bits}
        widths |= {f"q_{place}": layout.coefficient_bits for place in range(layout.latent_dim)}
    else:
        widths = {f"w_{place}": layout.fresh(place) for place in range(layout.block_size)}
    lowest, fields = 0, []
    for name, width in widths.items():
        fields += [(name, lowest + width - 1, lowest)] if width else []
        lowest += width
    assert lowest == layout.word_bits
    return fields[::-1]


@pytest.mark.parametrize("name", [*(name for name in PRESETS if name != "scaled-2bit"), *TRELLIS_PRESETS])
def test_a_picture_shows_the_words_fields(name: str) -> None:
    assert pictured(name) == stored({**PRESETS, **TRELLIS_PRESETS}[name])


def test_the_fields_of_2_bits_are_those_of_3() -> None:
    assert stored(PRESETS["scaled-2bit"]) == stored(PRESETS["scaled-3bit"])
