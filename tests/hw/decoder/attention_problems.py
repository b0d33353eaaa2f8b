"""Random attention of one token, and what the golden model makes of it."""

from dataclasses import dataclass
from random import Random

import torch
from amaranth.lib import data

from formats.decoder.tables import ACTIVATION_BITS
from golden_models.integer_decoder.attention import Cache, attend
from golden_models.integer_decoder.vectors import Vector
from hw.decoder.attention_unit import QUERY, attention_layout
from hw.decoder.shares import EXPONENTS
from tests.hw.decoder.vector_commands import unsigned

QUERIES, LANES, LENGTH, POSITIONS = 3, 4, 16, 16

STREAMS = ("command", "i_queries", "i_exponents", "i")


@dataclass(frozen=True)
class AttentionProblem:
    """One command.

    Parameters
    ----------
    words
        What the unit takes, by stream.
    expected
        Elements that leave, unsigned, each with its exponent.
    """

    words: dict[str, list[int]]
    expected: list[tuple[int, int]]


def attention_problem(random: Random, positions: int, length: int, wide: bool) -> AttentionProblem:
    """Scores near each other or far apart, of elements of all sizes, zeros among them."""
    bits = 15 if wide else 7
    near = random.random() < 0.6
    queries = _heads(random, (1, QUERIES, length), ACTIVATION_BITS, (-1, 0) if near else (-5, 20))
    keys = _heads(random, (positions, 1, length), bits, (-1, 0) if near else (-6, 16))
    values = _heads(random, (positions, 1, length), bits, (-3, 3) if near else (-12, 12))
    means = attend(queries, Cache(keys, values), torch.ones(1, positions, dtype=torch.bool))
    asked = queries.to_bits(ACTIVATION_BITS)
    key_exponents, value_exponents = keys.exponent.flatten().tolist(), values.exponent.flatten().tolist()
    exponents = [{"key": key, "value": value} for key, value in zip(key_exponents, value_exponents, strict=True)]
    anything = [{**position, "key": random.randrange(-1024, 1024)} for position in exponents]
    words = {
        "command": [_bits(attention_layout(POSITIONS, LENGTH), positions=positions, length=length, wide=wide)],
        "i_queries": [
            _bits(QUERY, mantissa=mantissa, exponent=int(exponent))
            for head, exponent in zip(asked.mantissas[0], asked.exponent[0], strict=True)
            for mantissa in head.tolist()
        ],
        "i_exponents": [_bits(EXPONENTS, **position) for position in (*exponents, *anything)],
        "i": [beat for rows in (keys, values) for row in rows.mantissas for beat in _beats(row[0].tolist(), wide)],
    }
    heads = zip(means.mantissas[0], means.exponent[0], strict=True)
    return AttentionProblem(words, [(word, int(exponent)) for head, exponent in heads for word in unsigned(head)])


def _heads(random: Random, shape: tuple[int, int, int], bits: int, range_: tuple[int, int]) -> Vector:
    """A vector a head and position; its largest element lies near two to a power of the range."""
    count, heads, length = shape
    limit = (1 << bits) - 1
    mantissas, exponents = [], []
    zeros = random.random() < 0.15
    for _ in range(count * heads):
        scale = int(not zeros and random.random() < 0.9)
        mantissas.append([scale * random.choice((random.randint(-limit, limit), limit, -limit)) for _ in range(length)])
        exponents.append(random.randint(*range_) - bits)
    return Vector.of(torch.tensor(mantissas).reshape(shape), torch.tensor(exponents).reshape(count, heads, 1))


def _beats(row: list[int], wide: bool) -> list[int]:
    bits = 16 if wide else 8
    joined = sum((element & ((1 << bits) - 1)) << bits * place for place, element in enumerate(row))
    return [joined >> start & ((1 << 8 * LANES) - 1) for start in range(0, bits * len(row), 8 * LANES)]


def _bits(layout: data.StructLayout, **fields: int) -> int:
    return int(layout.const(fields).as_value().value)
