"""Whole matrices of a model's shapes out of the chip: exact, and at 94.5 % of its peak with the activations."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sw_runtime.device.layout import format_of
from tests.hw.memory.simulation import MemorySimulation
from tests.hw.memory.subject import LARGEST, PARAMETERS, PORT_BYTES
from tests.hw.products import Product, make_product, random_activations, random_matrix

SHAPES = ((576, 576), (1536, 576), (192, 576), (576, 1536))
"""SmolLM2-135M: rows and columns of q and o, gate and up, k and v, down."""

ACTIVATIONS_AT, WEIGHTS_AT = 1_000, 50_000
"""Addresses, in beats."""


def dense_beats(words: list[int], width: int) -> NDArray[np.uint32]:
    """Words without gaps, in beats of the port."""
    bits = (np.array(words, dtype=np.uint64)[:, None] >> np.arange(width, dtype=np.uint64)).astype(np.uint8) & 1
    octets = np.packbits(bits.reshape(-1), bitorder="little")
    return np.pad(octets, (0, -len(octets) % PORT_BYTES)).view(np.uint32)


def word_bits(product: Product) -> int:
    """Bits that all lanes take together."""
    weight_format = format_of(product.matrix, PARAMETERS)
    return PARAMETERS.lanes_for(weight_format) * weight_format.word_bits


def run(simulation: MemorySimulation, product: Product) -> tuple[torch.Tensor, float]:
    """Results, and the share of the chip's peak: bytes of the product over those of its cycles."""
    width = word_bits(product)
    readings = [
        (ACTIVATIONS_AT, 8 * PORT_BYTES, len(product.activation_beats)),
        (WEIGHTS_AT, width, len(product.weight_beats)),
    ]
    beats = [np.array(product.activation_beats, dtype=np.uint32), dense_beats(product.weight_beats, width)]
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
