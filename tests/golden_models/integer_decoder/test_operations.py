import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu, silu

from formats.decoder.program import Constant
from golden_models import layers
from golden_models.integer_decoder.operations import (
    IntegerMatrix,
    add,
    answer,
    gate,
    multiply,
    rms_norm,
    rotate,
    scale,
)
from golden_models.integer_decoder.vectors import Vector

WIDTH = 64


def random_vectors(seed: int, width: int = WIDTH, spread: float = 1.0) -> Vector:
    """40 vectors, their sizes spread over many octaves, some with one element far above the others."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(40, width, generator=generator, dtype=torch.float64)
    values[::3, 5] *= 500
    powers = torch.randint(-30, 30, (40, 1), generator=generator) * spread
    return Vector.from_real(values * 2**powers)


def relative(found: Tensor, exact: Tensor) -> Tensor:
    """Largest error of each vector over its largest element."""
    return (found - exact).abs().amax(dim=-1) / exact.abs().amax(dim=-1)


@pytest.fixture(scope="module")
def matrix() -> IntegerMatrix:
    """48 rows of 8-bit weights, their scales spread over ten octaves; one row of zeros."""
    generator = torch.Generator().manual_seed(1)
    integers = torch.randint(-127, 128, (48, WIDTH), generator=generator, dtype=torch.int8)
    integers[7] = 0
    scales = 2 ** (torch.rand(48, generator=generator) * 10 - 12)
    return IntegerMatrix(integers, scales.bfloat16())


def real_matrix(matrix: IntegerMatrix) -> Tensor:
    return matrix.integers.double() * matrix.scales.double()[:, None]


def test_a_product_rounds_its_vector_to_15_bits_and_each_result_once(matrix: IntegerMatrix) -> None:
    x, exponent = random_vectors(2), -5
    rounded = x.to_bits(15)
    exact = rounded.real() @ real_matrix(matrix).T
    unit = torch.ldexp(torch.ones(40, 1), rounded.exponent + exponent)
    found = multiply(x, matrix, exponent)
    assert ((found.real() - exact).abs() <= 0.5 * unit).all()
    assert relative(found.real(), x.real() @ real_matrix(matrix).T).max() < 2**-10


def test_logits_are_keys_at_one_exponent_for_all_tokens(matrix: IntegerMatrix) -> None:
    x = random_vectors(3, spread=0.1)
    exact = x.to_bits(15).real() @ real_matrix(matrix).T * 2**9
    keys = answer(x, matrix, -9)
    limit = (1 << 23) - 1
    assert ((keys - exact.clamp(-limit, limit)).abs() <= 0.5).all()
    assert (keys.abs() < limit).any()


def test_logits_beyond_a_key_are_clipped(matrix: IntegerMatrix) -> None:
    x = Vector.from_real(torch.full((1, WIDTH), 1e6))
    assert answer(x, matrix, -9).abs().max() == (1 << 23) - 1


@pytest.mark.parametrize("eps", [1e-5, 3e2])
def test_a_norm_is_the_float_one_within_its_bound(eps: float) -> None:
    x, generator = random_vectors(4, spread=0.3), torch.Generator().manual_seed(5)
    weight = torch.randint(-(1 << 15) + 1, 1 << 15, (WIDTH,), generator=generator)
    exponent = -24
    while eps * WIDTH / 2**exponent >= 1 << 24:
        exponent += 2
    mantissa = round(eps * WIDTH / 2**exponent)
    found = rms_norm(x, Constant(tuple(weight.tolist()), -12), Constant((mantissa,), exponent))
    real = x.real()
    root = (real.square().sum(dim=-1, keepdim=True) + mantissa * 2.0**exponent).rsqrt()
    assert relative(found.real(), real * root * weight.double() * 2**-12).max() < 2**-14


def test_a_norm_of_zeros_is_zeros() -> None:
    zeros = Vector.of(torch.zeros(2, WIDTH, dtype=torch.int64), 0)
    for eps in (Constant((3,), -20), Constant((0,), 0)):
        assert not rms_norm(zeros, Constant((1,) * WIDTH, 0), eps).mantissas.any()


def test_a_sum_is_rounded_to_30_bits_of_its_larger_term() -> None:
    x, y = random_vectors(6), random_vectors(7)
    exact = x.real() + y.real()
    largest = torch.maximum(x.real().abs().amax(dim=-1), y.real().abs().amax(dim=-1))
    assert ((add(x, y).real() - exact).abs().amax(dim=-1) <= largest * 2**-29).all()


def test_a_sum_with_zeros_loses_nothing() -> None:
    x = Vector.of(torch.tensor([[1 << 20, -3]]), -60)
    zeros = Vector.of(torch.tensor([[0, 0]]), 500)
    assert torch.equal(add(x, zeros).real(), x.real())
    assert torch.equal(add(zeros, x).real(), x.real())


def test_a_sum_of_the_largest_mantissas_stays_in_a_word() -> None:
    largest = Vector.of(torch.full((1, 2), (1 << 31) - 1), 0)
    assert add(largest, largest).mantissas.max() <= (1 << 31) - 1
    assert relative(add(largest, largest).real(), 2 * largest.real()).max() < 2**-29


def test_a_rotation_is_the_float_one_and_keeps_to_its_word() -> None:
    x, angles = random_vectors(8), torch.rand(40, WIDTH // 2, generator=torch.Generator().manual_seed(8)) * 6.3
    cos, sin = ((table * (1 << 14)).round().long() for table in (angles.cos(), angles.sin()))
    found = rotate(x, cos, sin)
    assert found.mantissas.abs().max() < 1 << 31
    exact = layers.rotate(x.real(), angles.double())
    assert relative(found.real(), exact).max() < 2**-13


def test_a_scale_multiplies_by_17_bits() -> None:
    x = random_vectors(9)
    found = scale(x, Constant((94_549,), -19))
    assert relative(found.real(), x.real() * 94_549 / 2**19).max() < 2**-29


@pytest.mark.parametrize(("name", "function"), [("silu", silu), ("gelu", gelu)])
def test_a_gate_is_the_float_one_within_its_bound(name: str, function: type[silu]) -> None:
    x, up = random_vectors(10, spread=0.1), random_vectors(11)
    exact = function(x.real()) * up.real()
    bound = x.real().abs().amax(dim=-1) * up.real().abs().amax(dim=-1)
    assert ((gate(x, up, name).real() - exact).abs().amax(dim=-1) < bound * 2**-14).all()
    assert relative(gate(x, up, name).real(), exact).median() < 2**-12
