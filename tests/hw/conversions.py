"""Results on their way to the router: sums and scales in, keys out, at every edge of the numbers."""

from dataclasses import dataclass
from random import Random

import torch

from formats.engine import RESULT_BITS, EngineParameters
from formats.router.descriptor import KEY_BITS
from formats.row_scales import split_scales
from golden_models.seedlm.requantise import requantise
from hw.requantiser import routing_layout

ENGINE = EngineParameters(
    ("scaled-4bit", "scaled-2bit", "paper-4bit"),
    port_bytes=16,
    activation_bits=8,
    maximum_columns=64,
    maximum_rows=64,
)
"""Four, five and four lanes on beats of two results: a row group's last beat is full or not."""


@dataclass(frozen=True)
class Conversion:
    """One vector's results and what must become of them.

    Parameters
    ----------
    position
        Of the format in the engine.
    sums
        Results, one per row.
    scales
        bfloat16 bits, one per row.
    exponent
        The product's.
    """

    position: int
    sums: list[int]
    scales: list[int]
    exponent: int

    @property
    def routing(self) -> int:
        """The command's part, as bits."""
        fields = {"format": self.position, "rows": len(self.sums), "exponent": self.exponent}
        return int(routing_layout(ENGINE).const(fields).as_value().value)

    def beats(self, random: Random) -> list[int]:
        """As the engine reads results out; rows past the last and padding are noise."""
        weight_format = ENGINE.weight_formats[self.position]
        lanes, per_beat = ENGINE.lanes_for(weight_format), ENGINE.results_per_beat
        width = ENGINE.result_beats(weight_format) * per_beat
        mask = (1 << RESULT_BITS) - 1
        places: list[int] = []
        for first in range(0, len(self.sums), lanes):
            group = [total & mask for total in self.sums[first : first + lanes]]
            places += group + [random.getrandbits(RESULT_BITS) for _ in range(width - len(group))]
        cut = [places[at : at + per_beat] for at in range(0, len(places), per_beat)]
        return [sum(place << RESULT_BITS * index for index, place in enumerate(beat)) for beat in cut]

    @property
    def keys(self) -> list[int]:
        """The golden model's, as the router's unsigned elements."""
        keys = requantise(torch.tensor(self.sums), as_scales(self.scales), self.exponent)
        return [key & ((1 << KEY_BITS) - 1) for key in keys.tolist()]


def as_scales(bits: list[int]) -> torch.Tensor:
    """bfloat16 numbers from their bits."""
    return torch.tensor(bits, dtype=torch.int16).view(torch.bfloat16)


def random_conversion(random: Random, rows: int) -> Conversion:
    """Sums up to the accumulators' limits; keys that round, tie, clip and vanish."""
    limit = 1 << (ENGINE.accumulator_bits - 1)
    bits = random.randrange(1, ENGINE.accumulator_bits)
    middle = random.choice((1, 30, 120, 254))
    sums, scales = [], []
    for _ in range(rows):
        total = random.randrange(-(1 << bits), 1 << bits)
        sums.append(random.choice((total, total, -limit, limit - 1, 0)))
        field = max(middle - random.choice((0, 0, 1, 2, 9, 60)), 0)
        scales.append(random.choice((field << 7 | random.getrandbits(7), field << 7, 0, random.getrandbits(7))))
    above = random.choice((0, 1, 2, 8, max(0, bits - 16), max(0, bits - 14), ENGINE.accumulator_bits + 8, 100))
    return Conversion(random.randrange(3), sums, scales, int(split_scales(as_scales(scales))[1].max()) + above)


def conversions(random: Random, count: int) -> list[Conversion]:
    """One row, a row group, a row less and more, and any number."""
    sizes = [1, 2, 3, 4, 5, 7, 8, 9, ENGINE.maximum_rows]
    return [
        random_conversion(random, sizes[index] if index < len(sizes) else random.randint(1, ENGINE.maximum_rows))
        for index in range(count)
    ]
