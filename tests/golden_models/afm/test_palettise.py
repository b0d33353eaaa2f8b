import pytest
import torch
from torchao.prototype.quantization.codebook_coreml.codebook_ops import dequantize_codebook

from formats.palette import LIMIT
from golden_models.afm.palettise import AdaptedLinear, dequantise, nearest, palettise


def random_weights(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(rows))


@pytest.mark.parametrize("code_bits", [4, 2])
def test_real_weights_are_those_of_torchaos_codebook(code_bits: int) -> None:
    matrix = palettise(random_weights(64, 40), code_bits)
    tables = (matrix.tables.double() * matrix.scales.double()[:, None]).float()
    codebook = tables.view(4, 1, 1 << code_bits, 1)  # [N / 16, 1, 2^n, 1], as coremltools lays it out
    expected = dequantize_codebook(matrix.codes, codebook, code_bits, [16, -1])
    assert dequantise(matrix).equal(expected)


def test_a_matrix_of_1024_rows_has_64_tables() -> None:
    assert palettise(random_weights(1024, 8), 4).tables.shape == (64, 16)


def test_codes_point_at_the_nearest_entry() -> None:
    tables = torch.tensor([[-1.0, 0.0, 0.5, 2.0]])
    values = torch.tensor([[-9.0, -0.5, -0.49, 0.3, 1.25, 1.26, 9.0]])
    assert nearest(values, tables).tolist() == [[0, 0, 1, 2, 2, 3, 3]]


def test_weights_of_importance_get_the_smaller_error() -> None:
    weights = random_weights(16, 64)
    importance = torch.where(torch.arange(64) < 8, 100.0, 1.0)
    plain, weighted = (dequantise(palettise(weights, 2, i)) for i in (None, importance))
    errors = [(w - weights)[:, :8].square().sum() for w in (plain, weighted)]
    assert errors[1] < errors[0]


def test_more_bits_are_closer() -> None:
    weights = random_weights(32, 64)
    errors = [(dequantise(palettise(weights, bits)) - weights).norm() / weights.norm() for bits in (4, 2)]
    assert errors[0] < 0.12 < errors[1] < 0.4


def test_rows_left_over_have_a_table_of_their_own() -> None:
    matrix = palettise(random_weights(20, 12), 4)
    assert matrix.tables.shape == (2, 16)
    assert matrix.rows == 20
    assert matrix.tables.abs().amax() == LIMIT


def test_a_few_values_are_kept_exactly_to_16_bits() -> None:
    weights = torch.tensor([-0.5, 0.25, 1.0, 0.0])[
        torch.randint(4, (16, 32), generator=torch.Generator().manual_seed(3))
    ]
    torch.testing.assert_close(dequantise(palettise(weights, 2)), weights, atol=1 / LIMIT, rtol=0)


def test_other_code_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="code_bits must be 2 or 4, not 3"):
        palettise(random_weights(16, 8), 3)


def test_an_adapter_whose_b_is_zero_changes_nothing() -> None:
    linear, x = AdaptedLinear(palettise(random_weights(32, 24), 4)), random_weights(5, 24)
    assert linear(x).equal(x @ linear.base.T)


def test_an_adapter_adds_its_product_times_alpha_over_rank() -> None:
    linear, x = AdaptedLinear(palettise(random_weights(32, 24), 4), rank=4, alpha=8), random_weights(5, 24)
    torch.nn.init.normal_(linear.B)
    merged = linear.base + 2 * linear.B @ linear.A
    torch.testing.assert_close(linear(x), x @ merged.T)


def test_only_the_adapter_is_trained() -> None:
    linear = AdaptedLinear(palettise(random_weights(32, 24), 4))
    assert {name for name, _ in linear.named_parameters()} == {"A", "B"}
