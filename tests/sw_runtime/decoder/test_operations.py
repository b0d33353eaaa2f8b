"""Every operation of the emulated decoder equals the golden model's on any integers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.decoder.program import Constant
from formats.decoder.tables import GATES
from golden_models.integer_decoder import attention as golden_attention
from golden_models.integer_decoder import operations as golden
from golden_models.integer_decoder import vectors as golden_vectors
from sw_runtime.decoder import operations
from sw_runtime.decoder.attention import Cached, attend
from sw_runtime.decoder.vectors import Vector, shifted

WIDTH = 8
FACTORS = st.integers(1, 2**15 - 1)


@st.composite
def vectors(draw: st.DrawFn, shape: tuple[int, ...] = (2, WIDTH), exponents: int = 40) -> Vector:
    """Integers of any size, some of few bits, the exponents of the rows far apart."""
    count = int(np.prod(shape))
    mantissas = np.frombuffer(draw(st.binary(min_size=4 * count, max_size=4 * count)), dtype=np.int32).astype(np.int64)
    mantissas = np.maximum(mantissas, -(2**31) + 1).reshape(shape) >> draw(st.sampled_from([0, 0, 9, 29]))
    rows = count // shape[-1]
    powers = np.frombuffer(draw(st.binary(min_size=rows, max_size=rows)), dtype=np.int8).astype(np.int64)
    return Vector.of(mantissas, (powers % (2 * exponents) - exponents - 31).reshape(*shape[:-1], 1))


def as_golden(x: Vector) -> golden_vectors.Vector:
    return golden_vectors.Vector(torch.from_numpy(x.mantissas), torch.from_numpy(x.exponent))


def assert_equal(found: Vector, expected: golden_vectors.Vector) -> None:
    assert np.array_equal(found.mantissas, expected.mantissas.numpy())
    assert np.array_equal(found.exponent, expected.exponent.numpy())


@settings(max_examples=60, deadline=None)
@given(st.integers(-(2**61) + 1, 2**61 - 1), st.integers(-200, 200), st.integers(1, 51))
def test_a_shift_rounds_and_clips(value: int, right: int, bits: int) -> None:
    expected = golden_vectors.shifted(torch.tensor([value]), right, bits)
    assert shifted(np.array([value]), right, bits)[0] == expected[0]


@settings(max_examples=60, deadline=None)
@given(vectors())
def test_parts_are_split_and_merged(x: Vector) -> None:
    assert_equal(x.split(2), as_golden(x).split(2))
    assert_equal(x.split(2).merged(), as_golden(x).split(2).merged())


@settings(max_examples=60, deadline=None)
@given(vectors(), st.lists(FACTORS, min_size=WIDTH, max_size=WIDTH), st.integers(1, 2**24 - 1), st.integers(-30, 10))
def test_a_norm(x: Vector, weights: list[int], eps: int, half: int) -> None:
    constants = Constant(tuple(weights), -12), Constant((eps,), 2 * half)
    assert_equal(operations.rms_norm(x, *constants), golden.rms_norm(as_golden(x), *constants))


@settings(max_examples=60, deadline=None)
@given(vectors(), vectors())
def test_a_sum(x: Vector, y: Vector) -> None:
    assert_equal(operations.add(x, y), golden.add(as_golden(x), as_golden(y)))


@settings(max_examples=60, deadline=None)
@given(vectors(), st.integers(2**16, 2**17 - 1))
def test_a_scaled_vector(x: Vector, factor: int) -> None:
    assert_equal(operations.scale(x, Constant((factor,), -19)), golden.scale(as_golden(x), Constant((factor,), -19)))


@settings(max_examples=60, deadline=None)
@given(vectors(), st.floats(0, 7))
def test_a_rotation(x: Vector, angle: float) -> None:
    angles = angle * np.arange(WIDTH // 2)
    cos, sin = ((2**14 * table(angles)).round().astype(np.int64) for table in (np.cos, np.sin))
    expected = golden.rotate(as_golden(x), torch.from_numpy(cos), torch.from_numpy(sin))
    assert_equal(operations.rotate(x, cos, sin), expected)


@pytest.mark.parametrize("activation", GATES)
@given(x=vectors(), up=vectors())
@settings(max_examples=40, deadline=None)
def test_a_gate(activation: str, x: Vector, up: Vector) -> None:
    assert_equal(operations.gate(x, up, activation), golden.gate(as_golden(x), as_golden(up), activation))


@given(
    vectors((2, 4, WIDTH), 4),
    vectors((5, 2, WIDTH), 4),
    vectors((5, 2, WIDTH), 4),
    st.sampled_from([7, 15]),
    st.none() | st.integers(1, 6),
)
@settings(max_examples=40, deadline=None)
def test_attention(queries: Vector, keys: Vector, values: Vector, bits: int, window: int | None) -> None:
    keys, values = keys.to_bits(bits), values.to_bits(bits)
    caches = Cached(2, WIDTH), Cached(2, WIDTH)
    for cached, parts in zip(caches, (keys, values), strict=True):
        cached.write(0, parts)
    distance = torch.arange(3, 5)[:, None] - torch.arange(5)
    mask = (distance >= 0) & (distance < (window or 9))
    expected = golden_attention.attend(
        as_golden(queries), golden_attention.Cache(as_golden(keys), as_golden(values)), mask
    )
    assert_equal(attend(queries, *caches, 3, window), expected)


def test_a_cache_grows_and_is_written_over() -> None:
    cached, generator = Cached(1, 2), np.random.default_rng(0)
    written = generator.integers(-127, 128, (200, 1, 2))
    for first in (0, 100):
        cached.write(first, Vector(written[first : first + 100], written[first : first + 100, :, :1]))
    cached.write(3, Vector(written[:1], written[:1, :, :1]))
    mantissas, exponents = cached.read(2, 200)
    expected = np.concatenate([written[2:3], written[:1], written[4:]])
    assert np.array_equal(mantissas[0], expected[:, 0])
    assert np.array_equal(exponents[0], expected[:, 0, 0])
