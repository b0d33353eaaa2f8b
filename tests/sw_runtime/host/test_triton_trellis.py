"""The Triton kernels decode the golden model's weights bit by bit, and add products in the order that they state."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from formats.presets import TRELLIS_PRESETS
from formats.storage import pack_rows
from formats.trellis import TrellisFormat
from golden_models import trellis as golden
from tests.sw_runtime.host.trellis_formats import FORMATS, LONG_WINDOW, random_words
from tests.sw_runtime.host.triton_kernels import SOURCE, kernels

KERNELS = kernels()
FEW_VECTORS = KERNELS.FEW_VECTORS
LANES = 64

MUTANTS = (
    ("(column // 2 + 1) * fresh_even", "(column // 2) * fresh_even"),
    ("(column + 1) // 2 * fresh_odd", "column // 2 * fresh_odd"),
    ("end - window_bits", "end - window_bits + 1"),
    ("(window_bits + 14) // 8", "(window_bits + 6) // 8"),
    ("(place >= 0)", "(place >= 1)"),
    ("(place < row_bytes)", "(place < row_bytes - 1)"),
    ("8 * i", "7 * i"),
    ("(start & 7)", "(start & 3)"),
    ("(1 << window_bits) - 1", "(1 << window_bits - 1) - 1"),
    ("[:, None] * row_bytes", "[:, None] * (row_bytes - 1)"),
    ("(column < columns)[None, :]\n        values", "(column < columns - 1)[None, :]\n        values"),
    ("vector[:, None] * columns", "vector[:, None] * rows"),
    ("range(0, columns, lanes)", "range(0, columns - lanes, lanes)"),
    ("sums += values", "sums = values"),
    ("sums = left + right", "sums = left - right"),
    ("LANES = 64", "LANES = 32"),
    ("* tl.load(scales + row, mask", "* tl.load(scales + row // 2, mask"),
    ("weights *= tl.load(scales + row, mask", "weights *= tl.load(scales + row // 2, mask"),
    ("vector[:, None] * rows + row", "vector[:, None] + row"),
)
"""Text of the kernels, and a wrong one in its place."""

TARGETS = [GPUTarget("cuda", 80, 32), GPUTarget("cuda", 90, 32)]


def packed(
    trellis_format: TrellisFormat, words: Tensor, scales: Tensor, columns: int, module: ModuleType = KERNELS
) -> object:
    return module.TritonTrellisRows(trellis_format, pack_rows(words, trellis_format), scales, columns)


def sums_in_order(weights: Tensor, inputs: Tensor) -> Tensor:
    """The sum that the kernels state: integers [rows, columns], float32 [vectors, columns] → [vectors, rows]."""
    padding = (0, -weights.shape[1] % LANES)
    weights, inputs = (torch.nn.functional.pad(each.float(), padding) for each in (weights, inputs))
    sums = torch.zeros(len(inputs), len(weights), LANES)
    for first in range(0, weights.shape[1], LANES):
        products = inputs[:, None, first : first + LANES] * weights[None, :, first : first + LANES]
        sums = sums + products
    while sums.shape[-1] > 1:
        sums = sums[..., 0::2] + sums[..., 1::2]
    return sums[..., 0]


def agrees(trellis_format: TrellisFormat, rows: int, columns: int, vectors: int, seed: int, module: ModuleType) -> bool:
    """Whether decoded weights and products of random words are the golden ones, bit by bit."""
    words, scales = random_words(trellis_format, rows, columns, seed)
    inputs = torch.randn(vectors, columns, generator=torch.Generator().manual_seed(seed))
    matrix = packed(trellis_format, words, scales, columns, module)
    weights = golden.integer_weights(words, trellis_format, columns)
    return torch.equal(
        matrix.decoded(0, rows), golden.decode(words, scales.float(), trellis_format, columns)
    ) and torch.equal(matrix.multiply(inputs), sums_in_order(weights, inputs) * scales.float())


@pytest.mark.parametrize("trellis_format", FORMATS, ids=lambda each: each.name)
@given(
    rows=st.integers(1, 9), columns=st.integers(1, 150), vectors=st.integers(1, FEW_VECTORS), seed=st.integers(0, 99)
)
@settings(max_examples=12, deadline=None)
def test_weights_and_products_are_the_golden_ones_bit_by_bit(
    trellis_format: TrellisFormat, rows: int, columns: int, vectors: int, seed: int
) -> None:
    assert agrees(trellis_format, rows, columns, vectors, seed, KERNELS)


@pytest.mark.parametrize("trellis_format", FORMATS, ids=lambda each: each.name)
def test_every_window_gives_its_weight(trellis_format: TrellisFormat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KERNELS, "LANES", 1024)  # fewer programs: a weight is the same in any
    length = trellis_format.window_bits
    words = torch.arange(1 << length).view(16, -1) << trellis_format.word_bits - length
    assert len(golden.windows(words, trellis_format).unique()) == 1 << length
    columns = 8 * words.shape[1]
    decoded = packed(trellis_format, words, torch.ones(16).bfloat16(), columns).decoded(0, 16)
    assert torch.equal(decoded.long(), golden.integer_weights(words, trellis_format, columns))


@pytest.mark.parametrize("fault", range(4))
def test_a_wrong_tap_of_the_mix_is_found(fault: int) -> None:
    right = TRELLIS_PRESETS["trellis-3bit"]
    masks = list(right.masks)
    masks[fault] ^= 1 << 11
    words, scales = random_words(right, 3, 70)
    wrong = packed(replace(right, masks=tuple(masks)), words, scales, 70)
    assert not torch.equal(wrong.decoded(0, 3), golden.decode(words, scales.float(), right, 70))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each[1])
def test_a_wrong_kernel_is_found(mutant: tuple[str, str], tmp_path: Path) -> None:
    right, wrong = mutant
    text = SOURCE.read_text()
    assert right in text
    source = tmp_path / "mutant.py"
    source.write_text(text.replace(right, wrong))
    module = kernels(source)
    assert not all(agrees(each, 5, 200, 3, 0, module) for each in (TRELLIS_PRESETS["trellis-3.5bit"], LONG_WINDOW))


@pytest.mark.parametrize("trellis_format", FORMATS, ids=lambda each: each.name)
def test_sums_of_integers_are_exact(trellis_format: TrellisFormat) -> None:
    """Below 2^24 float32 holds them all, in whatever order they are added."""
    words, _ = random_words(trellis_format, 7, 200)
    inputs = torch.randint(-127, 128, (2, 200), generator=torch.Generator().manual_seed(1))
    found = packed(trellis_format, words, torch.ones(7).bfloat16(), 200).multiply(inputs.float())
    assert torch.equal(found.long(), inputs @ golden.integer_weights(words, trellis_format, 200).T)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_products_of_other_floats_are_rounded_once(dtype: torch.dtype) -> None:
    words, scales = random_words(FORMATS[0], 6, 90)
    inputs = torch.randn(2, 90, generator=torch.Generator().manual_seed(1)).to(dtype)
    found = packed(FORMATS[0], words, scales, 90).multiply(inputs)
    sums = sums_in_order(golden.integer_weights(words, FORMATS[0], 90), inputs) * scales.float()
    assert found.dtype == dtype
    assert torch.equal(found, sums.to(dtype))


def test_a_vector_has_the_same_product_alone_and_beside_others() -> None:
    words, scales = random_words(FORMATS[1], 10, 130)
    matrix = packed(FORMATS[1], words, scales, 130)
    inputs = torch.randn(FEW_VECTORS, 130, generator=torch.Generator().manual_seed(2))
    together = matrix.multiply(inputs)
    for place in (0, FEW_VECTORS - 1):
        assert torch.equal(matrix.multiply(inputs[place : place + 1]), together[place : place + 1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_many_vectors_are_multiplied_by_decoded_rows(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KERNELS, "TILE_WEIGHTS", 1_000)  # several tiles, the last one smaller
    words, scales = random_words(FORMATS[0], 12, 200)
    inputs = torch.randn(FEW_VECTORS + 1, 200, generator=torch.Generator().manual_seed(1)).to(dtype)
    weights = golden.decode(words, scales.float(), FORMATS[0], 200).to(dtype)
    found = packed(FORMATS[0], words, scales, 200).multiply(inputs).double()
    exact, magnitudes = inputs.double() @ weights.T.double(), inputs.double().abs() @ weights.T.double().abs()
    # bound: 200 float32 terms added in any order, which differs from processor to processor, and the result's rounding
    bound = 200 * torch.finfo(torch.float32).eps * magnitudes + torch.finfo(dtype).eps * exact.abs()
    assert ((found - exact).abs() <= bound).all()


def test_no_vectors_have_no_products() -> None:
    words, scales = random_words(FORMATS[0], 5, 20)
    assert packed(FORMATS[0], words, scales, 20).multiply(torch.empty(0, 20)).shape == (0, 5)


class GpuToCompileFor:
    """What Triton asks of a GPU before it starts a kernel there."""

    def __init__(self, target: GPUTarget) -> None:
        self.get_current_target = lambda: target
        self.get_current_device = lambda: 0
        self.get_current_stream = lambda device: 0


@pytest.mark.parametrize("target", TARGETS, ids=lambda each: f"sm_{each.arch}")
def test_a_gpu_gets_machine_code_that_rounds_every_product(
    target: GPUTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels are compiled as for a GPU, but not started; no multiplication is fused with an addition."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(driver, "_active", GpuToCompileFor(target))
    codes, run = [], JITFunction.run
    monkeypatch.setattr(
        JITFunction, "run", lambda *given, **named: codes.append(run(*given, **named | {"warmup": True}).asm)
    )
    module = kernels(interpreted=False)
    words, scales = random_words(FORMATS[1], 9, 150)
    matrix = packed(FORMATS[1], words, scales, 150, module)
    matrix.decoded(0, 9)
    matrix.multiply(torch.zeros(3, 150))
    monkeypatch.setattr(module, "OPTIONS", {})
    matrix.multiply(torch.zeros(3, 150))
    assert all(code["cubin"] for code in codes)
    assert all("mul.rn.f32" in code["ptx"] for code in codes[:2])
    assert ["fma." in code["ptx"] for code in codes] == [False, False, True]  # the last one without the option
