"""Products with packed trellis rows are those with the decoded weights."""

import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.errors import DependencyError
from formats.matrices import real_weights
from formats.storage import pack_rows
from formats.trellis import TrellisFormat
from formats.trellis_matrix import TrellisMatrix
from sw_runtime.host import trellis
from sw_runtime.host.trellis import FEW_VECTORS, TrellisRows
from tests.sw_runtime.host.trellis_formats import FORMATS, random_words


def rows_of(trellis_format: TrellisFormat, rows: int, columns: int, seed: int = 0) -> tuple[TrellisRows, torch.Tensor]:
    """Random words, packed, and the weights that they stand for."""
    words, scales = random_words(trellis_format, rows, columns, seed)
    matrix = TrellisMatrix(trellis_format, words, scales.float(), columns)
    return TrellisRows(trellis_format, pack_rows(words, trellis_format), scales, columns), real_weights(matrix)


@pytest.mark.parametrize("trellis_format", FORMATS, ids=lambda each: each.name)
@given(rows=st.integers(1, 9), columns=st.integers(1, 150), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_decoded_rows_are_the_weights_bit_by_bit(
    trellis_format: TrellisFormat, rows: int, columns: int, seed: int
) -> None:
    packed, weights = rows_of(trellis_format, rows, columns, seed)
    assert torch.equal(packed.decoded(0, rows), weights)
    assert torch.equal(packed.decoded(rows // 2, rows), weights[rows // 2 :])


@pytest.mark.parametrize("trellis_format", FORMATS, ids=lambda each: each.name)
@pytest.mark.parametrize("vectors", [1, FEW_VECTORS, FEW_VECTORS + 1])
def test_products_are_those_of_the_weights(
    trellis_format: TrellisFormat, vectors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trellis, "TILE_WEIGHTS", 1_000)  # several tiles, the last one smaller
    packed, weights = rows_of(trellis_format, 37, 200)
    inputs = torch.randn(vectors, 200, generator=torch.Generator().manual_seed(1))
    exact = inputs.double() @ weights.double().T
    largest = (inputs.abs() @ weights.abs().T).max()
    assert (packed.multiply(inputs) - exact).abs().max() < 1e-5 * largest
    rounded = packed.multiply(inputs.bfloat16())
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.double(), inputs.bfloat16().double() @ weights.double().T, rtol=0.02, atol=2.0)


def test_a_vector_has_the_same_product_alone_and_beside_others_with_any_number_of_threads() -> None:
    packed, _ = rows_of(FORMATS[0], 50, 130)
    inputs = torch.randn(FEW_VECTORS, 130, generator=torch.Generator().manual_seed(2))
    threads = torch.get_num_threads()
    together = packed.multiply(inputs)
    try:
        torch.set_num_threads(3)
        for place in (0, FEW_VECTORS - 1):
            assert torch.equal(packed.multiply(inputs[place : place + 1]), together[place : place + 1])
    finally:
        torch.set_num_threads(threads)


def test_no_vectors_have_no_products() -> None:
    packed, _ = rows_of(FORMATS[0], 5, 20)
    assert packed.multiply(torch.empty(0, 20)).shape == (0, 5)


def test_every_other_processor_decodes_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code without GFNI, which a processor without it compiles."""
    expected = [rows_of(each, 9, 77)[1] for each in FORMATS]
    monkeypatch.setattr(trellis, "SHARED_THREADS", (*trellis.SHARED_THREADS, "-U__GFNI__"))
    trellis._compiled.cache_clear()
    try:
        for each, weights in zip(FORMATS, expected, strict=True):
            packed, _ = rows_of(each, 9, 77)
            assert torch.equal(packed.decoded(0, 9), weights)
    finally:
        trellis._compiled.cache_clear()


def test_a_missing_compiler_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    trellis._compiled.cache_clear()
    with pytest.raises(DependencyError, match="no C compiler found: install gcc"):
        rows_of(FORMATS[0], 1, 8)
