"""The stored product: its integers are those of the golden datapath."""

import pytest

from formats.engine import EngineParameters
from formats.presets import PALETTES
from golden_models.seedlm.datapath import matvec
from sw_runtime.device.random_matrices import random_activations, random_matrix
from sw_runtime.takeaway.product import product_text
from tests.hw.products import make_product


@pytest.mark.parametrize("name", ["trellis-4bit", "scaled-4bit", "fp16", next(iter(PALETTES))])
def test_data_and_results_are_those_of_a_product_laid_out_by_hand(name: str) -> None:
    parameters = EngineParameters((name,), port_bytes=16, batch=2, maximum_columns=64, maximum_rows=64)
    title, command, *lines = product_text(parameters, name).splitlines()
    rows, columns, _ = (int(word) for word in title.split() if word.isdigit())
    product = make_product(parameters, random_matrix(name, rows, columns), random_activations(2, columns, 16))
    assert command == f"command {product.command:x}"
    assert [line for line in lines if line.startswith("data")] == [f"data {beat:x}" for beat in product.beats]
    found = [word for line in lines if line.startswith("results") for word in line.split()[1:] if word != "-"]
    assert sorted(map(int, found)) == sorted(matvec(product.matrix, product.activations).flatten().tolist())
    assert len(set(found)) == 2 * rows
