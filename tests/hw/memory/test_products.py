"""Whole matrices of a model's shapes out of the chip: exact, and at 94.5 % of its peak with the activations."""

import numpy as np
import pytest
import torch

from sw_runtime.device.layout import dense_bytes, format_of, weight_beats
from tests.hw.memory.simulation import MemorySimulation
from tests.hw.memory.subject import LARGEST, PARAMETERS, PORT_BYTES
from tests.hw.products import Product, make_product, random_activations, random_matrix

SHAPES = ((576, 576), (1536, 576), (192, 576), (576, 1536))
"""SmolLM2-135M: rows and columns of q and o, gate and up, k and v, down."""

ACTIVATIONS_AT, WEIGHTS_AT = 1_000, 50_000
"""Addresses, in beats."""


def run(simulation: MemorySimulation, product: Product) -> tuple[torch.Tensor, float]:
    """Results, and the share of the chip's peak: bytes of the product over those of its cycles."""
    weight_format = format_of(product.matrix, PARAMETERS)
    width = PARAMETERS.beat_bits(weight_format)
    readings = [
        (ACTIVATIONS_AT, 8 * PORT_BYTES, len(product.activation_beats)),
        (WEIGHTS_AT, width, len(product.weight_beats)),
    ]
    dense = dense_bytes(weight_beats(product.matrix, PARAMETERS), width)
    beats = [np.array(product.activation_beats, dtype=np.uint32), dense.view(np.uint32)]
    for (address, _, _), part in zip(readings, beats, strict=True):
        simulation.write(address, part)
    answer = simulation.product(readings, product.command, product.result_beats)
    results = product.results([int(result) & (1 << 64) - 1 for result in answer.results])
    bytes_moved = sum(part.nbytes for part in beats)
    return results, bytes_moved / (answer.last + 1) / (LARGEST.data_bits // 8)


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        *((name, *shape) for shape in SHAPES for name in ("scaled-4bit", "scaled-3bit")),
        ("trellis-2bit", 192, 576),
    ],
)
def test_a_matrix_is_multiplied_exactly_at_94_5_percent_of_peak(
    simulation: MemorySimulation, name: str, rows: int, columns: int
) -> None:
    torch.manual_seed(rows + columns)
    matrix = random_matrix(PARAMETERS, name, rows, columns)
    product = make_product(PARAMETERS, matrix, random_activations(1, columns, PARAMETERS.activation_bits))
    results, share = run(simulation, product)
    assert torch.equal(results, product.expected)
    assert share >= 0.945
    assert simulation.broken() == {}
