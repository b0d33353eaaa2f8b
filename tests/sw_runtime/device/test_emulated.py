import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.block import BlockFormat
from formats.engine import EngineParameters, format_names
from formats.errors import DeviceError, InputError
from formats.matrices import EncodedMatrix, Fp16Matrix, Matrix
from formats.palette import LIMIT, PaletteMatrix
from formats.presets import PALETTES, PRESETS, TRELLIS_PRESETS
from formats.trellis_matrix import TrellisMatrix
from golden_models.seedlm.datapath import matvec
from sw_runtime.device.cost import pass_cost
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.device.layout import format_of
from sw_runtime.device.protocol import Counters, DeviceInfo
from sw_runtime.device.random_matrices import random_activations
from sw_runtime.search.trellis import encode
from tests.sw_runtime.device.matrices import random_matrix


def largest_matrix(name: str, columns: int) -> Matrix:
    """Rows as heavy as the format allows: the block with the greatest sum of magnitudes, over and over."""
    if name == "fp16":
        return Fp16Matrix(torch.full((2, columns), 255.875).half())
    if name in PALETTES:
        return PaletteMatrix(
            torch.zeros(2, columns, dtype=torch.int64),
            torch.full((1, 1 << PALETTES[name].code_bits), LIMIT),
            torch.ones(1),
        )
    if name in TRELLIS_PRESETS:
        words = encode(torch.full((2, columns), 127.0), TRELLIS_PRESETS[name], torch.ones(2)).words
        return TrellisMatrix(TRELLIS_PRESETS[name], words, torch.ones(2), columns)
    block_format = PRESETS[name]
    high = block_format.exponent_limits[1]
    coefficients = (block_format.coefficient_limits[0],) * block_format.latent_dim
    first = block_format.pack(1, high, coefficients)
    every = EncodedMatrix(
        block_format, torch.arange(first, first + 4096)[:, None], torch.ones(1), block_format.block_size
    )
    sums = matvec(every, torch.ones(1, block_format.block_size, dtype=torch.int64)).abs()
    words = torch.full((2, block_format.blocks(columns)), first + int(sums.argmax()))
    return EncodedMatrix(block_format, words, torch.ones(1 if block_format.exponent_bits else 2), columns)


@pytest.fixture
def device() -> EmulatedDevice:
    return EmulatedDevice()


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(format_names()),
    rows=st.integers(1, 9),
    columns=st.integers(1, 120),
    vectors=st.integers(0, 4),
    seed=st.integers(0, 2**32),
)
def test_results_equal_the_golden_datapath(name: str, rows: int, columns: int, vectors: int, seed: int) -> None:
    device, matrix = EmulatedDevice(), random_matrix(name, rows, columns, seed)
    activations = random_activations(vectors, columns, 16, seed)
    results = device.matvec(device.load(matrix), activations)
    assert results.dtype == torch.int64
    assert torch.equal(results, matvec(matrix, activations))


@pytest.mark.parametrize("name", format_names())
@pytest.mark.parametrize("activation", [-(1 << 15), (1 << 15) - 1, 257])
@pytest.mark.parametrize("columns", [96, 8000])
def test_the_heaviest_rows_stay_exact(name: str, activation: int, columns: int, device: EmulatedDevice) -> None:
    matrix = largest_matrix(name, columns)
    activations = torch.full((1, columns), activation)
    assert torch.equal(device.matvec(device.load(matrix), activations), matvec(matrix, activations))


def test_heavy_rows_with_odd_sums_are_exact_where_one_float64_product_is_not(device: EmulatedDevice) -> None:
    matrix = largest_matrix("fp16", 8000)
    weights = matrix.weights.clone()
    weights[:, 0] = 2.0**-24
    activations = torch.full((1, 8000), (1 << 15) - 1)
    activations[:, 0] = 1
    odd = Fp16Matrix(weights)
    assert matvec(odd, activations).abs().max() > 2**53
    assert (matvec(odd, activations) % 2 == 1).all()
    assert torch.equal(device.matvec(device.load(odd), activations), matvec(odd, activations))


def test_8_bit_activations_are_exact_too() -> None:
    device = EmulatedDevice(EngineParameters(("paper-4bit",), activation_bits=8))
    matrix = random_matrix("paper-4bit", 3, 40, seed=1)
    activations = random_activations(5, 40, 8)
    assert torch.equal(device.matvec(device.load(matrix), activations), matvec(matrix, activations))


def test_info_is_the_engines() -> None:
    parameters = EngineParameters(("fp16",), activation_bits=8, batch=4, maximum_columns=512, maximum_rows=1024)
    assert EmulatedDevice(parameters).info() == DeviceInfo("emulated", ("fp16",), 8, 4, 512, 1024)
    assert EmulatedDevice().info().formats == format_names()


@pytest.mark.parametrize("name", format_names())
def test_counters_are_those_of_the_engines_passes(name: str) -> None:
    parameters = EngineParameters((name,), batch=4)
    device, matrix = EmulatedDevice(parameters), random_matrix(name, 70, 90)
    handle = device.load(matrix)
    assert device.counters == Counters()
    device.matvec(handle, random_activations(9, 90, 16))
    four, one = (pass_cost(parameters, format_of(matrix, parameters), 70, 90, vectors) for vectors in (4, 1))
    assert device.counters == four + four + one


def test_matrices_keep_apart(device: EmulatedDevice) -> None:
    matrices = [random_matrix(name, 4, 24, seed=2) for name in format_names()]
    handles = [device.load(matrix) for matrix in matrices]
    activations = torch.arange(24).view(1, -1)
    assert len(set(handles)) == len(handles)
    for handle, matrix in zip(handles, matrices, strict=True):
        assert torch.equal(device.matvec(handle, activations), matvec(matrix, activations))


def test_an_unloaded_matrix_is_unknown(device: EmulatedDevice) -> None:
    handle = device.load(random_matrix("fp16", 2, 2, seed=3))
    device.unload(handle)
    with pytest.raises(ValueError, match=f"no matrix with handle {handle} on this device; load it first"):
        device.matvec(handle, torch.zeros(1, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match=f"no matrix with handle {handle} on this device"):
        device.unload(handle)


def test_a_closed_device_does_nothing(device: EmulatedDevice) -> None:
    matrix = random_matrix("fp16", 2, 2, seed=3)
    handle = device.load(matrix)
    device.close()
    device.close()
    for use in (
        lambda: device.load(matrix),
        lambda: device.matvec(handle, torch.zeros(1, 2, dtype=torch.int64)),
        lambda: device.unload(handle),
        lambda: device.route([]),
    ):
        with pytest.raises(ValueError, match=r"^the device is closed; open another$"):
            use()


@pytest.mark.parametrize(
    ("activations", "message"),
    [
        (torch.zeros(1, 3, dtype=torch.int64), r"must be int64 \[vectors, 4\], not torch.int64 \[1, 3\]"),
        (torch.ones(1, 4, dtype=torch.int16), r"must be int64 \[vectors, 4\], not torch.int16 \[1, 4\]"),
        (torch.zeros(4, dtype=torch.int64), r"must be int64 \[vectors, 4\], not torch.int64 \[4\]"),
        (torch.zeros(1, 4), r"must be int64 \[vectors, 4\], not torch.float32 \[1, 4\]"),
        (torch.tensor([[0, 0, 0, 0], [0, 0, 32768, 0]]), r"activation \[1, 2\] is 32768, which 16 signed bits do not"),
        ([[0, 0, 0, 0]], r"activations must be an int64 tensor \[vectors, 4\], not \[\[0, 0, 0, 0\]\]"),
        (None, r"activations must be an int64 tensor \[vectors, 4\], not None"),
        (torch.zeros(1, 4, dtype=torch.int64, device="meta"), "must be a dense tensor on the CPU, not .* on meta"),
        (torch.zeros(1, 4, dtype=torch.int64).to_sparse(), "must be a dense tensor on the CPU, not torch.sparse_coo"),
        (torch.tensor([[-32769, 0, 0, 0]]), r"activation \[0, 0\] is -32769, which 16 signed bits do not hold"),
    ],
)
def test_wrong_activations_are_refused(activations: Any, message: str, device: EmulatedDevice) -> None:
    handle = device.load(random_matrix("scaled-4bit", 2, 4, seed=4))
    with pytest.raises(ValueError, match=message):
        device.matvec(handle, activations)


@pytest.mark.parametrize("handle", ["1", None, [1], True, 1.0])
def test_what_is_no_handle_is_refused(handle: Any, device: EmulatedDevice) -> None:
    assert device.load(random_matrix("fp16", 2, 2, seed=3)) == 1
    with pytest.raises(DeviceError, match=re.escape(f"no matrix with handle {handle!r} on this device; load it")):
        device.matvec(handle, torch.zeros(1, 2, dtype=torch.int64))
    with pytest.raises(DeviceError, match=re.escape(f"no matrix with handle {handle!r} on this device; load it")):
        device.unload(handle)


@pytest.mark.parametrize("matrix", ["weights", None, [[1.0]], 3])
def test_what_is_no_matrix_is_refused(matrix: Any, device: EmulatedDevice) -> None:
    said = f"a device takes a matrix of formats.matrices.Matrix, not {matrix!r}"
    with pytest.raises(DeviceError, match=re.escape(said)):
        device.load(matrix)


def test_words_that_are_not_of_the_format_are_refused(device: EmulatedDevice) -> None:
    matrix = random_matrix("scaled-4bit", 2, 16)
    assert isinstance(matrix, EncodedMatrix)
    with pytest.raises(InputError, match=r"words must be int64 \[rows, 4\], not torch\.int64 \[2, 2\]"):
        device.load(replace(matrix, columns=32))


def test_a_format_the_device_does_not_take_is_refused() -> None:
    device = EmulatedDevice(EngineParameters(("scaled-4bit", "fp16")))
    with pytest.raises(ValueError, match="does not take paper-4bit; it takes scaled-4bit, fp16"):
        device.load(random_matrix("paper-4bit", 2, 2, seed=5))


def test_another_format_under_a_presets_name_is_refused(device: EmulatedDevice) -> None:
    matrix = random_matrix("scaled-4bit", 2, 8, seed=6)
    assert isinstance(matrix, EncodedMatrix)
    other = BlockFormat("scaled-4bit", 8, 3, 16, 4, 4)
    with pytest.raises(ValueError, match="scaled-4bit is the name of a preset, and the matrix's format has other"):
        device.load(replace(matrix, block_format=other))


@pytest.mark.parametrize(("rows", "columns"), [(5, 8), (4, 9)])
def test_a_matrix_larger_than_the_maximum_is_refused(rows: int, columns: int) -> None:
    device = EmulatedDevice(EngineParameters(("fp16",), maximum_rows=4, maximum_columns=8))
    device.load(random_matrix("fp16", 4, 8, seed=7))
    with pytest.raises(ValueError, match=rf"\[{rows}, {columns}\] is larger than the device's maximum \[4, 8\]"):
        device.load(random_matrix("fp16", rows, columns, seed=7))


@pytest.mark.parametrize(("rows", "columns"), [(0, 8), (4, 0)])
def test_an_empty_matrix_is_refused(rows: int, columns: int, device: EmulatedDevice) -> None:
    with pytest.raises(ValueError, match=rf"a matrix needs rows and columns, got \[{rows}, {columns}\]"):
        device.load(Fp16Matrix(torch.zeros(rows, columns).half()))


def test_rows_whose_sums_pass_64_bits_are_refused(device: EmulatedDevice) -> None:
    device.load(random_matrix("paper-3bit", 1, 8184, seed=8))
    with pytest.raises(ValueError, match="sums over 8196 paper-3bit columns need 65 bits; a result has 64"):
        device.load(random_matrix("paper-3bit", 1, 8196, seed=8))
