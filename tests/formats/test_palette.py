from typing import Any

import pytest
import torch

from formats.activations import rescale
from formats.palette import LIMIT, PaletteMatrix, quantise_tables
from golden_models.seedlm.datapath import matvec


def palette() -> PaletteMatrix:
    """20 rows, so that the last table serves four."""
    codes = torch.randint(16, (20, 24), generator=torch.Generator().manual_seed(0))
    tables = torch.randint(-LIMIT, LIMIT + 1, (2, 16), generator=torch.Generator().manual_seed(1))
    return PaletteMatrix(codes, tables, torch.tensor([0.5, 2.0]))


def test_a_weight_is_looked_up_in_its_rows_table() -> None:
    matrix = palette()
    integers, scales = matrix.integers(), matrix.unit_scales()
    for row in range(20):
        assert scales[row] == (0.5 if row < 16 else 2.0)
        for column in range(24):
            assert integers[row, column] == matrix.tables[int(row >= 16)][matrix.codes[row, column]]


def test_the_datapath_multiplies_integers_and_scales_rows() -> None:
    matrix, activations = palette(), torch.arange(-12, 12)[None]
    sums = matvec(matrix, activations)
    assert sums.equal(activations @ matrix.integers().T)
    real = rescale(sums, matrix, torch.tensor([[0.25]]))
    expected = (activations.double() * 0.25) @ (matrix.integers().double() * matrix.unit_scales()[:, None].double()).T
    torch.testing.assert_close(real, expected.float())


def test_the_accumulator_holds_the_heaviest_row() -> None:
    heaviest = PaletteMatrix(torch.zeros(1, 4096, dtype=torch.int64), torch.full((1, 4), -LIMIT), torch.ones(1))
    total = int(matvec(heaviest, torch.full((1, 4096), -(1 << 15))))
    limit = 1 << (heaviest.accumulator_bits(16) - 1)
    assert limit // 2 <= total < limit


def test_tables_become_integers_of_16_bits_with_a_scale_each() -> None:
    tables = torch.tensor([[-1.0, 0.0, 0.25, 0.5], [0.0, 0.0, 0.0, 0.0]])
    integers, scales = quantise_tables(tables)
    assert integers.tolist() == [[-LIMIT, 0, 8192, 16384], [0] * 4]
    assert scales.tolist() == pytest.approx([1 / LIMIT, 1.0])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"tables": torch.zeros(2, 8, dtype=torch.int64)}, r"tables must be \[2, 16\] or \[2, 4\], not \[2, 8\]"),
        ({"tables": torch.zeros(3, 16, dtype=torch.int64)}, r"tables must be \[2, 16\] or \[2, 4\], not \[3, 16\]"),
        ({"tables": torch.full((2, 16), 1 << 15)}, "tables must hold integers within ±32767; found 32768"),
        ({"scales": torch.ones(20)}, r"scales must be \[2\], one a table, not \[20\]"),
        ({"codes": torch.full((20, 24), 16)}, "codes must be 0 to 15; found 16 to 16"),
        ({"codes": torch.full((20, 24), -1)}, "codes must be 0 to 15; found -1 to -1"),
        ({"codes": torch.zeros(20, 24)}, r"codes must be int64 \[rows, columns\], not torch.float32 \[20, 24\]"),
        ({"tables": [[0] * 16] * 2}, r"tables must be Tensor, not \[\["),
    ],
)
def test_what_is_no_palette_is_refused(change: dict[str, Any], error: str) -> None:
    matrix = palette()
    with pytest.raises(ValueError, match=error):
        PaletteMatrix(**{"codes": matrix.codes, "tables": matrix.tables, "scales": matrix.scales, **change})
