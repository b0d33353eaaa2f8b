from dataclasses import replace
from typing import Any

import pytest
import torch

from formats import seeds
from formats.matrices import EncodedMatrix, Fp16Matrix, real_weights
from formats.presets import PRESETS
from formats.trellis_matrix import TrellisMatrix
from golden_models.seedlm import codec, datapath
from tests.sw_runtime.device.matrices import random_matrix


def matrix_of_random_words(name: str, rows: int, columns: int) -> EncodedMatrix:
    matrix = random_matrix(name, rows, columns)
    assert isinstance(matrix, EncodedMatrix)
    return replace(matrix, scales=torch.rand(matrix.scales.shape, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("columns", [1, 96, 101])
def test_integer_weights_equal_the_golden_codec(name: str, columns: int) -> None:
    matrix = matrix_of_random_words(name, 5, columns)
    assert torch.equal(matrix.integers().long(), codec.integer_weights(matrix))


@pytest.mark.parametrize("name", ["fp16", "palette-4bit", "palette-2bit"])
def test_weights_without_seeds_are_the_golden_datapaths(name: str) -> None:
    matrix = random_matrix(name, 40, 30)
    assert torch.equal(matrix.integers(), datapath.integer_matrix(matrix))


@pytest.mark.parametrize("name", PRESETS)
def test_every_seed_with_extreme_coefficients_equals_the_golden_codec(name: str) -> None:
    block_format = PRESETS[name]
    every_seed = torch.arange(1, block_format.seeds + 1)
    low, high = block_format.coefficient_limits
    for coefficient in (low, high):
        word = block_format.pack(1, block_format.exponent_limits[1], (coefficient,) * block_format.latent_dim) - 1
        words = (every_seed + word).view(1, -1)
        columns = words.numel() * block_format.block_size
        matrix = EncodedMatrix(block_format, words, torch.ones(1), columns)
        weights = matrix.integers()
        assert torch.equal(weights.long(), codec.integer_weights(matrix))
        assert weights.long().abs().max() <= block_format.maximum_weight


def test_a_matrix_of_many_chunks_equals_the_golden_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeds, "CHUNK_BLOCKS", 24)
    matrix = matrix_of_random_words("scaled-4bit", 7, 80)
    assert torch.equal(matrix.integers().long(), codec.integer_weights(matrix))


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_decode_equals_the_golden_codec_in_every_dtype(name: str, dtype: torch.dtype) -> None:
    matrix = matrix_of_random_words(name, 4, 50)
    assert torch.equal(real_weights(matrix, dtype), codec.decode(matrix).to(dtype))


@pytest.mark.parametrize(
    ("maximum", "dtype"),
    [
        (127, torch.int8),
        (128, torch.int16),
        (32767, torch.int16),
        (32768, torch.int32),
        (2**31 - 1, torch.int32),
        (2**31, torch.int64),
    ],
)
def test_integer_dtype_is_the_narrowest_that_holds_both_signs(maximum: int, dtype: torch.dtype) -> None:
    assert seeds.integer_dtype(maximum) is dtype


@pytest.mark.parametrize("name", ["scaled-4bit", "trellis-3bit"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"words": [[1]]}, r"words must be Tensor, not \[\[1\]\]"),
        ({"scales": 1.0}, r"scales must be Tensor, not 1\.0"),
        ({"columns": 96.0}, r"columns must be int, not 96\.0"),
    ],
)
def test_an_argument_of_another_type_is_named(name: str, change: dict[str, Any], said: str) -> None:
    matrix = random_matrix(name, 3, 96)
    assert isinstance(matrix, EncodedMatrix | TrellisMatrix)
    with pytest.raises(ValueError, match=f"^{said}$"):
        replace(matrix, **change)


def test_a_matrix_of_another_format_is_named() -> None:
    for made in (EncodedMatrix, TrellisMatrix):
        with pytest.raises(ValueError, match=r"_format must be \w+, not 'scaled-4bit'"):
            made("scaled-4bit", torch.zeros(1, 1), torch.ones(1), 8)
    with pytest.raises(ValueError, match="weights must be Tensor, not 'w'"):
        Fp16Matrix("w")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["scaled-4bit", "trellis-3bit"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"columns": 9600}, r"words must be int64 \[rows, \d+\], not torch.int64 \[3, \d+\]"),
        ({"words": torch.zeros(3, 12)}, r"words must be int64 \[rows, \d+\], not torch.float32 \[3, 12\]"),
        ({"scales": torch.ones(2)}, r"scales must be float32 \[3\], not torch.float32 \[2\]"),
        ({"scales": torch.ones(3).half()}, r"scales must be float32 \[3\], not torch.float16 \[3\]"),
    ],
)
def test_tensors_that_are_not_of_the_format_are_refused(name: str, change: dict[str, Any], said: str) -> None:
    matrix = random_matrix(name, 3, 96)
    assert isinstance(matrix, EncodedMatrix | TrellisMatrix)
    with pytest.raises(ValueError, match=f"^{said}$"):
        replace(matrix, **change).check_format()
