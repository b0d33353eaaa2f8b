import numpy as np
import pytest
import torch

from formats.matrices import EncodedMatrix
from golden_models.integer_decoder import operations as golden
from golden_models.integer_decoder import vectors as golden_vectors
from sw_runtime.decoder.products import ScaledProduct
from sw_runtime.decoder.vectors import Vector
from tests.sw_runtime.device.matrices import random_matrix


@pytest.mark.parametrize(
    ("format_name", "columns"), [("trellis-4bit", 96), ("trellis-2bit", 512), ("scaled-4bit", 4096)]
)
def test_products_and_keys_are_the_golden_models(format_name: str, columns: int) -> None:
    matrix = random_matrix(format_name, 12, columns)
    generator = np.random.default_rng(1)
    # the largest activations too, in the signs of a row: no sum is larger
    worst = matrix.integers()[3].sign().long().numpy() * 32767
    x = Vector.of(np.stack([generator.integers(-32767, 32768, columns), worst]), np.array([[-3], [5]]))
    golden_x = golden_vectors.Vector(torch.from_numpy(x.mantissas), torch.from_numpy(x.exponent))
    integers = golden.IntegerMatrix(matrix.integers(), matrix.unit_scales().bfloat16())
    found, expected = ScaledProduct(matrix).multiply(x, 4), golden.multiply(golden_x, integers, 4)
    assert np.array_equal(found.mantissas, expected.mantissas.numpy())
    assert np.array_equal(found.exponent, expected.exponent.numpy())
    assert np.array_equal(ScaledProduct(matrix).answer(x, 3), golden.answer(golden_x, integers, 3).numpy())


def test_rows_too_long_for_float32_are_multiplied_exactly() -> None:
    matrix = random_matrix("scaled-4bit", 3, 32768)
    assert isinstance(matrix, EncodedMatrix)
    integers = matrix.integers()
    assert integers.abs().sum(dim=1, dtype=torch.int64).max() > 1 << 17
    x = Vector.of(integers[:1].sign().long().numpy() * 32767, np.array([[0]]))
    exact = (torch.from_numpy(x.mantissas) @ integers.long().T).numpy()
    assert np.array_equal(ScaledProduct(matrix)._sums(x.mantissas), exact)
