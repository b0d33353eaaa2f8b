import math

import pytest
import torch

from formats.decoder.tables import MANTISSA_BITS
from formats.errors import InputError
from formats.trellis_matrix import TrellisMatrix
from golden_models.integer_decoder.operations import IntegerMatrix, answer, multiply, rms_norm
from golden_models.integer_decoder.vectors import Vector
from sw_runtime.decoder.constants import constant, factor, key_exponent, norm_constants, result_exponent, rotary_rows
from tests.sw_runtime.device.matrices import random_matrix


def trellis(scale: float) -> TrellisMatrix:
    matrix = random_matrix("trellis-4bit", 24, 64)
    assert isinstance(matrix, TrellisMatrix)
    scales = scale * 2 ** torch.linspace(-6, 0, 24)
    return TrellisMatrix(matrix.trellis_format, matrix.words, scales.bfloat16().float(), 64)


def integer_matrix(matrix: TrellisMatrix) -> IntegerMatrix:
    return IntegerMatrix(matrix.integers(), matrix.scales.bfloat16())


def test_a_constant_rounds_by_half_a_unit_of_so_many_bits() -> None:
    values = torch.tensor([0.3, -5.9, 0.0, 1e-9])
    found = constant(values, 15)
    assert max(map(abs, found.mantissas)).bit_length() == 15
    real = torch.tensor(found.mantissas).double() * 2.0**found.exponent
    assert ((real - values).abs() <= 0.5 * 2.0**found.exponent).all()


def test_zeros_are_a_constant() -> None:
    assert constant(torch.zeros(3), 15).mantissas == (0, 0, 0)


def test_a_factor_has_17_bits() -> None:
    found = factor(0.125 * math.log2(math.e))
    assert found.mantissas[0].bit_length() == 17
    assert found.mantissas[0] * 2.0**found.exponent == pytest.approx(0.125 * math.log2(math.e), rel=2**-17)


@pytest.mark.parametrize("eps", [1e-5, 1e-6, 3e-6])
def test_the_epsilon_of_a_norm_has_an_even_exponent(eps: float) -> None:
    _, found = norm_constants(torch.ones(64), eps)
    assert found.exponent % 2 == 0
    assert found.mantissas[0] * 2.0**found.exponent == pytest.approx(64 * eps, rel=2**-22)


def test_a_norm_by_its_constants_is_the_float_one() -> None:
    weight, x = torch.rand(64) + 0.5, torch.randn(5, 64) * 0.01
    found = rms_norm(Vector.from_real(x), *norm_constants(weight, 1e-5)).real()
    exact = torch.nn.functional.rms_norm(x.double(), (64,), weight.double(), 1e-5)
    torch.testing.assert_close(found, exact, rtol=0, atol=float(exact.abs().max()) * 2**-13)


def test_rotary_rows_are_cosines_and_sines_of_14_bits() -> None:
    rows = rotary_rows(torch.tensor([1.0, 0.01]), 1.2, 9)
    angles = torch.arange(9.0, dtype=torch.float64)[:, None] * torch.tensor([1.0, 0.01])
    for found, exact in ((rows.cos, angles.cos()), (rows.sin, angles.sin())):
        assert found.dtype == "int16"
        assert (torch.from_numpy(found) / 2**14 - 1.2 * exact).abs().max() <= 2**-15


@pytest.mark.parametrize("scale", [1e-4, 3.0])
def test_no_result_is_clipped_at_its_exponent_and_some_would_be_below(scale: float) -> None:
    matrix = trellis(scale)
    exponent, worst = result_exponent(matrix), Vector.from_real(matrix.integers().sign().double())
    exact = worst.to_bits(15).real() @ (matrix.integers().double() * matrix.scales.double()[:, None]).T
    found = multiply(worst, integer_matrix(matrix), exponent)
    limit = (1 << MANTISSA_BITS) - 1
    assert found.mantissas.abs().max() < limit
    torch.testing.assert_close(found.real(), exact, rtol=1e-4, atol=0)
    assert multiply(worst, integer_matrix(matrix), exponent - 1).mantissas.abs().max() == limit


def test_no_logit_is_clipped_at_the_exponent_of_keys() -> None:
    matrix, weight = trellis(0.02), torch.rand(64) + 0.5
    exponent = key_exponent(matrix, weight)
    rows = matrix.integers().double() * matrix.scales.double()[:, None]
    likeliest = rows * weight  # the longest result of every row is its own direction's
    normed = torch.nn.functional.normalize(likeliest, dim=1) * 8 * weight
    keys = answer(Vector.from_real(normed), integer_matrix(matrix), exponent).abs().max()
    assert 1 << 21 < keys < (1 << 23) - 1


@pytest.mark.parametrize("frequency", [math.inf, math.nan])
def test_rotary_frequencies_that_are_not_finite_are_refused(frequency: float) -> None:
    with pytest.raises(InputError, match=r"rotary frequencies are not finite; .* whose rope_theta is above 0"):
        rotary_rows(torch.tensor([1.0, frequency]), 1.0, 9)


@pytest.mark.parametrize("scaling", [2.0, -2.0, math.nan])
def test_rotary_rows_that_do_not_fit_are_refused(scaling: float) -> None:
    with pytest.raises(
        InputError, match=rf"multiplied by {scaling}, and a program's hold less than 2; correct the att"
    ):
        rotary_rows(torch.tensor([1.0]), scaling, 9)
    assert rotary_rows(torch.tensor([0.0]), 1.99, 1).cos == round(1.99 * 2**14)
