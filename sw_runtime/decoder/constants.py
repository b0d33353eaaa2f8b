"""Real numbers of a model as the integers that a program brings along, and the exponents of its products."""

import math

import numpy as np
import torch
from torch import Tensor

from formats.decoder.program import Constant, RotaryRows
from formats.decoder.tables import ACTIVATION_BITS, FACTOR_BITS, KEY_BITS, MANTISSA_BITS, ROTARY_BITS, WEIGHT_BITS
from formats.errors import InputError
from formats.matrices import Matrix
from formats.row_scales import EXPONENT_BIAS, split_scales, to_bfloat16

EPS_BITS = 24
MOST_POSITIONS = (1 << 16) - 1
"""Of a context: hardware counts positions with 16 bits."""

MOST_SCALING = 2
"""Of cosines and sines: 16 bits hold them with 14 behind the point."""

KEY_MARGIN = 1.01
"""What rounding can add to the length of a normed vector, far from reached below 2^16 elements."""


def constant(values: Tensor, bits: int) -> Constant:
    """Values with a common exponent, the largest of so many bits: real [n]; rounding error 2^-bits of the largest."""
    values = values.detach().double()
    _, power = math.frexp(float(values.abs().max()))
    exponent = power - bits
    limit = (1 << bits) - 1
    mantissas = torch.ldexp(values, torch.tensor(-exponent)).round().long().clamp(-limit, limit)
    return Constant(tuple(mantissas.tolist()), exponent)


def factor(value: float) -> Constant:
    """One number of 17 bits."""
    return constant(torch.tensor([value], dtype=torch.float64), FACTOR_BITS)


def norm_constants(weight: Tensor, eps: float) -> tuple[Constant, Constant]:
    """Weight and ε of an RMSNorm over [n], both with the number of elements inside, ε's exponent even."""
    n = len(weight)
    total = constant(torch.tensor([eps * n], dtype=torch.float64), EPS_BITS)
    if total.exponent % 2:
        total = Constant((total.mantissas[0] + 1 >> 1,), total.exponent + 1)
    return constant(weight.detach().double() * math.sqrt(n), WEIGHT_BITS), total


def rotary_rows(frequencies: Tensor, scaling: float, positions: int) -> RotaryRows:
    """Cosines and sines of positions 0 to ``positions - 1``: angles a position, real [d/2].

    Raises
    ------
    InputError
        If an angle is not finite, or what multiplies cosines and sines does not fit their 16 bits.
    """
    if not frequencies.isfinite().all():
        raise InputError(
            "the rotary frequencies are not finite; correct rope_parameters in config.json, whose rope_theta is above 0"
        )
    if not abs(scaling) < MOST_SCALING:
        raise InputError(
            f"rotary rows are multiplied by {scaling}, and a program's hold less than {MOST_SCALING}; "
            "correct the attention_factor of rope_parameters in config.json"
        )
    angles = torch.arange(positions, dtype=torch.float64)[:, None] * frequencies.double()
    rows = [(table * scaling * (1 << ROTARY_BITS)).round() for table in (angles.cos(), angles.sin())]
    cos, sin = (table.numpy().astype(np.int16) for table in rows)
    return RotaryRows(cos, sin)


def result_exponent(matrix: Matrix) -> int:
    """The least exponent, above a vector's, at which no result of a matrix passes 31 bits.

    A result is largest where every activation is, with the sign of its weight: the bound is a row's sum of
    magnitudes. No row is shifted to the left.
    """
    scales = to_bfloat16(matrix.unit_scales())
    sums = matrix.integers().abs().sum(dim=1, dtype=torch.int64).double()
    largest = float((sums * scales.double()).max()) * ((1 << ACTIVATION_BITS) - 1)
    return max(_exponent(largest, MANTISSA_BITS), int(split_scales(scales)[1].max()) - EXPONENT_BIAS)


def key_exponent(matrix: Matrix, norm_weight: Tensor) -> int:
    """The least exponent at which no logit passes 23 bits.

    By Cauchy and Schwarz: the head's input is ``norm_weight`` times a vector no longer than √columns.
    """
    scales = to_bfloat16(matrix.unit_scales())
    lengths = (matrix.integers().float() * norm_weight.detach().float()).norm(dim=1) * scales.float()
    return _exponent(KEY_MARGIN * float(lengths.max()) * math.sqrt(matrix.columns), KEY_BITS)


def _exponent(largest: float, bits: int) -> int:
    """The least at which a number takes no more than so many bits."""
    return math.frexp(largest / ((1 << bits) - 1))[1]
