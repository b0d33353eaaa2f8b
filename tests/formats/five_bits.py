"""A preset that does not ship: 5 bits per weight."""

from formats.block import BlockFormat
from formats.presets import Preset

FIVE_BITS = Preset(
    BlockFormat("scaled-5bit", 8, 6, 16, 0, 4, entry_bits=2, odd_coefficients=True),
    ordinary_error=0.041,
    row_step=0.025,
    rounding_error=0.00166,
    reach=6.5,
    mixed=True,
)
