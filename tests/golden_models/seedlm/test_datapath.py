"""The integer arithmetic every device equals."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from formats.activations import quantise_activations, rescale
from formats.engine import RESULT_BITS
from formats.matrices import EncodedMatrix, Fp16Matrix
from formats.presets import PRESETS
from golden_models.seedlm.codec import decode
from golden_models.seedlm.datapath import integer_matrix, matvec

finite_floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
vectors = st.lists(finite_floats, min_size=1, max_size=20)
fp16_weights = st.floats(-255.875, 255.875, width=16)


def random_matrix(name: str, rows: int, blocks: int, columns: int, seed: int = 0) -> EncodedMatrix:
    """Arbitrary valid words."""
    preset = PRESETS[name]
    words = torch.randint(1 << preset.word_bits, (rows, blocks), generator=torch.Generator().manual_seed(seed)) | 1
    return EncodedMatrix(preset, words, torch.full((rows,), 0.5), columns)


class TestActivations:
    """Quantisation to signed integers with one scale per vector."""

    @given(values=vectors, activation_bits=st.sampled_from([8, 16]))
    def test_integers_fit_and_err_by_at_most_half_a_step(self, values: list[float], activation_bits: int) -> None:
        hidden_states = torch.tensor(values)
        integers, scales = quantise_activations(hidden_states, activation_bits)
        limit = 2 ** (activation_bits - 1) - 1
        assert integers.dtype == torch.int64
        assert int(integers.abs().max()) <= limit
        if not hidden_states.abs().max() or scales.item() > 1e-38:  # a subnormal scale is too coarse to promise more
            error = (integers.double() * scales.double() - hidden_states.double()).abs().max()
            assert error.item() <= scales.item() * (0.5 + limit * 2**-23)

    @given(values=vectors)
    def test_the_largest_value_takes_the_largest_integer(self, values: list[float]) -> None:
        largest = max(map(abs, values))
        integers, scales = quantise_activations(torch.tensor(values))
        if largest > 1e-30:
            assert int(integers.abs().max()) == 32767
        if not largest:
            assert scales.item() == 1.0
            assert not integers.any()

    def test_each_vector_has_its_scale(self) -> None:
        integers, scales = quantise_activations(torch.tensor([[[1.0, -0.5]], [[2.0, 4.0]]]), activation_bits=8)
        assert integers.tolist() == [[[127, -64]], [[64, 127]]]
        assert scales.flatten().tolist() == pytest.approx([1 / 127, 4 / 127])

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_values_that_are_not_finite_are_refused(self, value: float) -> None:
        with pytest.raises(ValueError, match="activations must be finite; the model's hidden_states hold NaN"):
            quantise_activations(torch.tensor([1.0, value]))


class TestFp16:
    """The baseline's exact integers."""

    @given(values=st.lists(fp16_weights, min_size=1, max_size=20))
    def test_integers_times_the_unit_are_the_weights(self, values: list[float]) -> None:
        weights = torch.tensor([values], dtype=torch.float16)
        integers = integer_matrix(Fp16Matrix(weights))
        assert torch.equal((integers.double() * 2.0**-24).half(), weights)
        assert [[n / 2**24 for n in integers[0].tolist()]] == weights.double().tolist()

    def test_subnormal_weights_are_exact(self) -> None:
        weights = torch.tensor([[2.0**-24, -3 * 2.0**-24, 2.0**-14]], dtype=torch.float16)
        assert integer_matrix(Fp16Matrix(weights)).tolist() == [[1, -3, 1024]]

    def test_integers_are_shifted_significands(self) -> None:
        weights = torch.tensor([[1.0, -1.5, 255.875]], dtype=torch.float16)
        assert integer_matrix(Fp16Matrix(weights)).tolist() == [[1024 << 14, -1536 << 14, 2047 << 21]]

    def test_the_unit_is_the_least_positive_number(self) -> None:
        assert Fp16Matrix(torch.zeros(2, 2).half()).unit_scales().tolist() == [2.0**-24]

    @pytest.mark.parametrize("value", [256.0, -300.0, math.inf, math.nan])
    def test_a_weight_out_of_range_is_named(self, value: float) -> None:
        weights = torch.zeros(2, 3).half()
        weights[1, 2] = value
        with pytest.raises(ValueError, match=rf"weight \[1, 2\] is {value}; the FP16 baseline takes magnitudes below"):
            Fp16Matrix(weights)

    @pytest.mark.parametrize(
        ("weights", "found"), [(torch.zeros(2, 3), "torch.float32 2-d"), (torch.zeros(3).half(), "torch.float16 1-d")]
    )
    def test_another_dtype_or_shape_is_refused(self, weights: Tensor, found: str) -> None:
        with pytest.raises(ValueError, match=rf"weights must be float16 \[rows, columns\], not {found}"):
            Fp16Matrix(weights)


class TestMatvec:
    """Exact products."""

    @pytest.mark.parametrize("name", PRESETS)
    def test_equals_arithmetic_without_limits(self, name: str) -> None:
        matrix = random_matrix(name, rows=3, blocks=4, columns=4 * PRESETS[name].block_size - 3)
        activations = torch.randint(-32768, 32768, (2, matrix.columns), generator=torch.Generator().manual_seed(1))
        expected = [
            [sum(w * x for w, x in zip(row, vector, strict=True)) for row in integer_matrix(matrix).tolist()]
            for vector in activations.tolist()
        ]
        assert matvec(matrix, activations).tolist() == expected

    @given(a=st.lists(st.integers(-128, 127), min_size=16, max_size=16), factor=st.integers(-100, 100))
    def test_is_linear(self, a: list[int], factor: int) -> None:
        matrix = random_matrix("scaled-4bit", rows=3, blocks=2, columns=16)
        x, y = torch.tensor([a]), torch.arange(16)[None]
        assert torch.equal(matvec(matrix, factor * x + y), factor * matvec(matrix, x) + matvec(matrix, y))

    @pytest.mark.parametrize("name", PRESETS)
    def test_the_worst_activations_of_the_largest_words_fit_the_accumulator(self, name: str) -> None:
        preset = PRESETS[name]
        low, _ = preset.coefficient_limits
        seeds = range(1, preset.seeds + 1, 97)
        words = [preset.pack(seed, preset.exponent_limits[1], (low,) * preset.latent_dim) for seed in seeds]
        matrix = EncodedMatrix(preset, torch.tensor(words)[:, None], torch.ones(1), preset.block_size)
        integers = integer_matrix(matrix)
        assert int(integers.abs().max()) <= preset.maximum_weight
        worst = matvec(matrix, -32768 * integers[integers.abs().sum(dim=1).argmax()].sign()[None])
        limit = 2 ** (matrix.accumulator_bits(activation_bits=16) - 1)
        assert -limit <= int(worst.min()) <= int(worst.max()) < limit

    def test_the_largest_weight_of_a_scaled_format_reaches_its_bound(self) -> None:
        preset = PRESETS["scaled-4bit"]  # a seed of ones gives entries 3, 3, …
        words = [preset.pack(seed, 0, (-4,) * 6) for seed in range(preset.seeds - 99, preset.seeds + 1)]
        matrix = EncodedMatrix(preset, torch.tensor(words)[:, None], torch.ones(1), preset.block_size)
        assert int(integer_matrix(matrix).abs().max()) == preset.maximum_weight == 126

    def test_the_worst_fp16_row_fits_64_bits(self) -> None:
        matrix = Fp16Matrix(torch.full((1, 32768), 255.875).half())
        assert int(matvec(matrix, torch.full((1, 32768), -32768))) == -(2047 << 21) << 30
        assert matrix.accumulator_bits(activation_bits=16) <= RESULT_BITS

    def test_accumulator_bits_of_fp16(self) -> None:
        matrix = Fp16Matrix(torch.zeros(1, 4096).half())
        assert matrix.accumulator_bits(activation_bits=16) == 60  # 2^11 · 2^21 · 2^12 · 2^15 and a sign


class TestRescale:
    """Integers to real results."""

    @pytest.mark.parametrize("matrix", [random_matrix("scaled-3bit", 4, 3, 24), random_matrix("paper-4bit", 4, 3, 20)])
    def test_results_are_the_decoded_matrix_times_the_quantised_activations(self, matrix: EncodedMatrix) -> None:
        hidden_states = torch.randn(2, matrix.columns, generator=torch.Generator().manual_seed(5))
        integers, scales = quantise_activations(hidden_states)
        results = rescale(matvec(matrix, integers), matrix, scales)
        assert results.dtype == torch.float32
        expected = (integers.double() * scales.double()) @ decode(matrix).double().T
        assert torch.allclose(results.double(), expected, rtol=1e-6)

    def test_fp16_results(self) -> None:
        matrix = Fp16Matrix(torch.tensor([[0.5, -2.0]]).half())
        integers, scales = quantise_activations(torch.tensor([[1.0, 0.25]]))
        results = rescale(matvec(matrix, integers), matrix, scales)
        assert results.item() == pytest.approx(0.0, abs=1e-4)
