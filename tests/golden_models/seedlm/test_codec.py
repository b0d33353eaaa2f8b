"""Weights to block words and back."""

import itertools
import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from formats.block import BlockFormat
from formats.matrices import EncodedMatrix
from formats.presets import PRESETS
from formats.scales import paper_scale, row_scales
from formats.seeds import unpack_words
from golden_models.seedlm import lfsr
from golden_models.seedlm.codec import closest_point, decode, encode, encode_blocks, integer_weights

PAPER = PRESETS["paper-4bit"]
TINY = BlockFormat("tiny", 4, 2, lfsr_bits=5, exponent_bits=2, coefficient_bits=3)
TINY_ODD = BlockFormat("tiny-odd", 4, 3, 6, 0, 2, entry_bits=2, odd_coefficients=True)


def matrix_of(words: list[int], block_format: BlockFormat) -> EncodedMatrix:
    """One row of the given words, in units of its integers."""
    return EncodedMatrix(block_format, torch.tensor([words]), torch.ones(1), len(words) * block_format.block_size)


def gaussian(rows: int, columns: int, deviation: float = 1.0) -> Tensor:
    return deviation * torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))


def relative_error(weights: Tensor, matrix: EncodedMatrix) -> float:
    return float((decode(matrix) - weights).norm() / weights.norm())


class TestDecode:
    """Golden words of SeedLM and of the scaled presets."""

    @pytest.mark.parametrize(
        ("name", "coefficients", "sums"),
        [
            ("paper-4bit", (3, -5, 7), [139900, 87116, -25975, 82766, -124822, 70409, -126372, -134581]),
            (
                "paper-3bit",
                (3, -5, 7, -8),
                [150540, 142533, -144690, 119986, -15030, 87124, -221879, -110124, 138527, -235054, 11938, -230675],
            ),
        ],
    )
    def test_sums_of_seed_0xace1(self, name: str, coefficients: tuple[int, ...], sums: list[int]) -> None:
        least = PRESETS[name].exponent_limits[0]
        word = PRESETS[name].pack(0xACE1, least, coefficients)
        assert integer_weights(matrix_of([word], PRESETS[name])).tolist() == [sums]

    def test_weights_of_seed_0xace1_with_exponent_minus_6(self) -> None:
        word = PAPER.pack(0xACE1, -6, (3, -5, 7))
        integers = integer_weights(matrix_of([word], PAPER))[0]
        expected = [
            *(0.0667115543, 0.0415414136, -0.0123862232, 0.0394671087),
            *(-0.0595215842, 0.0335746521, -0.0602607044, -0.0641751801),
        ]
        assert (integers.double() * paper_scale(PAPER)).tolist() == pytest.approx(expected, rel=0, abs=5e-11)
        stored = EncodedMatrix(PAPER, torch.tensor([[word]]), row_scales(torch.zeros(1, 8), PAPER), columns=8)
        assert decode(stored)[0].tolist() == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize(
        ("name", "word", "weights"),
        [
            ("scaled-4bit", 0x9E3779B1, [-26, -74, -12, 16, 4, -22, -64, -14]),
            ("scaled-3bit", 0x9E3779, [-9, 5, -7, -11, 3, 11, 1, -13]),
            ("scaled-2bit", 0x9E3779, [-9, 5, -7, -11, 3, 11, 1, -13, 13, -3, -15, 15]),
        ],
    )
    def test_golden_words_of_the_scaled_presets(self, name: str, word: int, weights: list[int]) -> None:
        assert integer_weights(matrix_of([word], PRESETS[name])).tolist() == [weights]

    @pytest.mark.parametrize("name", PRESETS)
    def test_words_decode_by_the_formula(self, name: str) -> None:
        preset = PRESETS[name]
        generator = torch.Generator().manual_seed(3)
        words = torch.randint(1 << preset.word_bits, (20,), generator=generator) | 1
        decoded = integer_weights(matrix_of(words.tolist(), preset))[0].view(20, -1)
        for word, weights in zip(words.tolist(), decoded, strict=True):
            seed, exponent, coefficients = preset.unpack(word)
            entries = lfsr.entries(lfsr.matrix(seed, preset), preset)
            multipliers = [2 * q + 1 if preset.odd_coefficients else q for q in coefficients]
            sums = entries @ torch.tensor(multipliers)
            assert torch.equal(weights, sums * 2 ** (exponent - preset.exponent_limits[0]))

    def test_padding_is_cut_off(self) -> None:
        matrix = EncodedMatrix(PAPER, torch.tensor([[1, 2]]), torch.ones(1), columns=13)
        assert decode(matrix).shape == (1, 13)

    def test_each_row_has_its_scale(self) -> None:
        words = torch.tensor([[0x9E3779], [0x9E3779]])
        first, second = decode(EncodedMatrix(PRESETS["scaled-3bit"], words, torch.tensor([1.0, 0.25]), columns=8))
        assert torch.equal(first, 4 * second)

    @given(block_format=..., data=st.data())
    def test_fields_of_a_word_tensor_equal_unpack(self, block_format: BlockFormat, data: st.DataObject) -> None:
        highest = (1 << block_format.word_bits) - 1
        word = data.draw(st.integers(1, highest).filter(lambda word: word & block_format.seeds))
        seed, exponent, coefficients = unpack_words(torch.tensor(word), block_format)
        assert (int(seed), int(exponent), tuple(coefficients.tolist())) == block_format.unpack(word)


class TestClosestPoint:
    """The lattice search equals trying every point."""

    @staticmethod
    def brute_force(r: Tensor, z: Tensor, values: list[int]) -> float:
        points = torch.tensor(list(itertools.product(values, repeat=len(z))), dtype=torch.float64)
        return float((z - points @ r.T).pow(2).sum(dim=1).min())

    @pytest.mark.parametrize("values", [list(range(-8, 8)), [-3, -1, 1, 3]])
    @pytest.mark.parametrize("size", [1, 2, 3])
    def test_equals_brute_force(self, size: int, values: list[int]) -> None:
        generator = torch.Generator().manual_seed(size)
        for _ in range(40):
            r = torch.randn(size, size, generator=generator, dtype=torch.float64).triu()
            z = 5 * torch.randn(size, generator=generator, dtype=torch.float64)
            distance, point = closest_point(r, z, values, math.inf)
            assert distance == pytest.approx(self.brute_force(r, z, values), rel=1e-12)
            rebuilt = r @ torch.tensor(point, dtype=torch.float64)
            assert float((z - rebuilt).pow(2).sum()) == pytest.approx(distance, rel=1e-12)

    def test_nothing_inside_the_radius(self) -> None:
        r, z = torch.eye(2, dtype=torch.float64), torch.tensor([0.5, 0.5], dtype=torch.float64)
        assert closest_point(r, z, [0, 1], radius=0.5) == (math.inf, [])
        assert closest_point(r, z, [0, 1], radius=0.5000001)[0] == 0.5


class TestEncode:
    """Each block gets the best word there is."""

    @pytest.mark.parametrize("block_format", [TINY, TINY_ODD], ids=lambda f: f.name)
    def test_no_other_word_is_better(self, block_format: BlockFormat) -> None:
        low, high = block_format.exponent_limits
        every_word = [
            block_format.pack(seed, exponent, coefficients)
            for seed in range(1, block_format.seeds + 1)
            for exponent in range(low, high + 1)
            for coefficients in itertools.product(
                range(block_format.coefficient_limits[0], block_format.coefficient_limits[1] + 1),
                repeat=block_format.latent_dim,
            )
        ]
        candidates = integer_weights(matrix_of(every_word, block_format)).view(-1, 4).double()
        for metric in (torch.eye(4), gaussian(4, 4).triu(), gaussian(4, 4).tril()):
            targets = gaussian(10, 4, deviation=20.0).double()
            words = encode_blocks(targets, metric.double(), block_format)
            found = integer_weights(matrix_of(words.tolist(), block_format)).view(-1, 4)
            for target, block in zip(targets, found, strict=True):
                errors = ((candidates - target) @ metric.double().T).pow(2).sum(dim=1)
                error = float((metric.double() @ (block - target)).pow(2).sum())
                assert error == pytest.approx(float(errors.min()), rel=1e-6)
        weights = gaussian(1, 40, deviation=20.0)
        importance = gaussian(1, 40)[0].abs() + 0.1
        for metric in (torch.ones(40), importance):
            encoded = encode(weights, block_format, scales=torch.ones(1), importance=metric)
            found = integer_weights(encoded).view(-1, 4)
            for target, weight, block in zip(weights.view(-1, 4), metric.view(-1, 4), found, strict=True):
                errors = (weight * (candidates - target).pow(2)).sum(dim=1)
                assert float((weight * (block - target).pow(2)).sum()) == pytest.approx(float(errors.min()), rel=1e-6)

    @pytest.mark.parametrize("name", PRESETS)
    def test_decoded_blocks_encode_without_error(self, name: str) -> None:
        preset = PRESETS[name]
        words = torch.randint(1 << preset.word_bits, (1, 4), generator=torch.Generator().manual_seed(7)) | 1
        scales = torch.full((1,), 2.0**-20)
        matrix = EncodedMatrix(preset, words, scales, columns=4 * preset.block_size)
        again = encode(integer_weights(matrix).double() * 2.0**-20, preset, scales=scales)
        assert torch.equal(integer_weights(again), integer_weights(matrix))

    def test_of_equal_errors_the_lowest_seed_wins(self) -> None:
        # Column p of a seed's matrix is column p - 1 of the next seed's: two seeds, the same weights.
        seed, following = 0x1234, lfsr.step(0x1234, 16)
        word, shifted = PAPER.pack(seed, 0, (0, 3, -5)), PAPER.pack(following, 0, (3, -5, 0))
        same = integer_weights(matrix_of([word, shifted], PAPER)).view(2, 8)
        assert torch.equal(same[0], same[1])
        encoded = encode(same[:1].double(), PAPER, scales=torch.ones(1))
        assert PAPER.unpack(int(encoded.words))[0] <= min(seed, following)

    def test_zeros_take_the_first_seed_and_decode_to_zeros(self) -> None:
        encoded = encode(torch.zeros(1, 13), PAPER)
        assert not decode(encoded).any()
        assert [PAPER.unpack(word)[0] for word in encoded.words[0].tolist()] == [1, 1]

    def test_a_row_of_zeros_stays_zeros_beside_others_in_scaled_formats(self) -> None:
        weights = torch.cat((torch.zeros(1, 8), gaussian(1, 8)))
        decoded = decode(encode(weights, PRESETS["scaled-3bit"]))
        assert not decoded[0].any()
        assert decoded[1].any()

    @pytest.mark.parametrize(
        ("name", "error", "blocks"),
        [
            ("paper-4bit", 0.1192, 512),
            ("paper-3bit", 0.2192, 384),
            ("scaled-4bit", 0.0803, 512),
            ("scaled-3bit", 0.158, 768),
            ("scaled-2bit", 0.302, 1024),
        ],
    )
    def test_error_on_gaussian_weights(self, name: str, error: float, blocks: int) -> None:
        weights = gaussian(blocks // 128, 128 * PRESETS[name].block_size, deviation=0.02)
        assert relative_error(weights, encode(weights, PRESETS[name])) == pytest.approx(error, abs=0.002)

    @pytest.mark.parametrize(("name", "error"), [("paper-4bit", 0.1225), ("paper-3bit", 0.2243)])
    def test_error_of_the_papers_rule_on_gaussian_weights(self, name: str, error: float) -> None:
        weights = gaussian(2, 128 * PRESETS[name].block_size, deviation=0.02)
        encoded = encode(weights, PRESETS[name], coefficients="rounded")
        assert relative_error(weights, encoded) == pytest.approx(error, abs=0.002)

    def test_unknown_coefficients_are_refused(self) -> None:
        with pytest.raises(ValueError, match="coefficients must be 'optimal' or 'rounded', not 'fast'"):
            encode(gaussian(1, 8), PAPER, coefficients="fast")

    def test_the_papers_rule_is_refused_for_odd_coefficients(self) -> None:
        message = "coefficients='rounded' is the paper's rule; scaled-4bit has odd coefficients"
        with pytest.raises(ValueError, match=re.escape(message)):
            encode(gaussian(1, 8), PRESETS["scaled-4bit"], coefficients="rounded")

    @pytest.mark.parametrize("weights", [torch.zeros(8), torch.full((1, 8), math.nan), torch.full((1, 8), math.inf)])
    def test_weights_that_are_no_finite_matrix_are_refused(self, weights: Tensor) -> None:
        with pytest.raises(ValueError, match=r"weights must be finite and \[rows, columns\]"):
            encode(weights, PAPER)
