"""Matrix-vector products as an engine meets them: a command, beats in, beats out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.engine import EngineParameters
from formats.matrices import EncodedMatrix, Fp16Matrix, Matrix
from formats.palette_format import PaletteFormat
from formats.trellis import TrellisFormat
from formats.trellis_matrix import TrellisMatrix
from golden_models.seedlm.datapath import matvec
from golden_models.seedlm.lfsr import all_entry_matrices
from hw.engine.sequencer import command_layout
from sw_runtime.device.layout import Beats, activation_beats, format_of, results_from_beats, weight_beats
from tests.sw_runtime.device.matrices import random_palette


@dataclass(frozen=True)
class Product:
    """A product, ready to be streamed; beats are integers of ``8 * port_bytes`` bits."""

    parameters: EngineParameters
    matrix: Matrix
    activations: Tensor
    command: int
    activation_beats: list[int]
    weight_beats: list[int]

    @property
    def beats(self) -> list[int]:
        """All that passes the memory port."""
        return self.activation_beats + self.weight_beats

    @property
    def result_beats(self) -> int:
        """Beats that come back."""
        weight_format = format_of(self.matrix, self.parameters)
        groups = self.parameters.row_groups(weight_format, self.matrix.rows)
        return groups * len(self.activations) * self.parameters.result_beats(weight_format)

    def results(self, beats: Sequence[int]) -> Tensor:
        """Beats that came back → int64 [vectors, rows]."""
        octets = b"".join(beat.to_bytes(8 * self.parameters.results_per_beat, "little") for beat in beats)
        array = np.frombuffer(octets, dtype=np.uint8).reshape(len(beats), -1)
        vectors = len(self.activations)
        return results_from_beats(
            array, format_of(self.matrix, self.parameters), self.parameters, self.matrix.rows, vectors
        )

    @property
    def expected(self) -> Tensor:
        """The golden model's results, int64 [vectors, rows]."""
        return matvec(self.matrix, self.activations)


def make_product(parameters: EngineParameters, matrix: Matrix, activations: Tensor) -> Product:
    """Lay a product out for an engine; activations are int64 [vectors, columns]."""
    weight_format = format_of(matrix, parameters)
    command = command_layout(parameters).const(
        {
            "format": parameters.weight_formats.index(weight_format),
            "column_blocks": weight_format.blocks(matrix.columns) - 1,
            "row_groups": parameters.row_groups(weight_format, matrix.rows) - 1,
            "vectors": len(activations) - 1,
        }
    )
    inputs = _integers(activation_beats(activations, weight_format, parameters))
    return Product(
        parameters, matrix, activations, command.as_value().value, inputs, _integers(weight_beats(matrix, parameters))
    )


def random_matrix(parameters: EngineParameters, name: str, rows: int, columns: int) -> Matrix:
    """Any words with valid seeds, any palette, or any FP16 weights the baseline takes."""
    weight_format = parameters.weight_formats[parameters.formats.index(name)]
    if isinstance(weight_format, PaletteFormat):
        return random_palette(name, rows, columns)
    if isinstance(weight_format, TrellisFormat):
        words = torch.randint(1 << weight_format.word_bits, (rows, weight_format.blocks(columns)))
        return TrellisMatrix(weight_format, words, torch.ones(rows), columns)
    if not isinstance(weight_format, BlockFormat):
        patterns = torch.randint(weight_format.maximum_exponent + 1, (rows, columns)) << 10
        patterns += torch.randint(1 << 10, patterns.shape) + (torch.randint(2, patterns.shape) << 15)
        return Fp16Matrix(torch.from_numpy(patterns.numpy().astype(np.uint16).view(np.float16)))
    words = torch.randint(1 << weight_format.word_bits, (rows, weight_format.blocks(columns)))
    words = torch.where(words & weight_format.seeds == 0, 1, words)
    return EncodedMatrix(weight_format, words, torch.ones(1 if weight_format.exponent_bits else rows), columns)


def random_activations(vectors: int, columns: int, bits: int) -> Tensor:
    """Anything ``bits`` signed bits hold, the limits often."""
    limit = 1 << (bits - 1)
    values = torch.randint(-limit, limit, (vectors, columns))
    extremes = torch.where(torch.rand(values.shape) < 1 / 2, -limit, limit - 1)
    return torch.where(torch.rand(values.shape) < 1 / 4, extremes, values)


def random_products(parameters: EngineParameters, shapes: Sequence[tuple[str, int, int, int]]) -> Iterator[Product]:
    """A product for each format, rows, columns and vectors."""
    for name, rows, columns, vectors in shapes:
        matrix = random_matrix(parameters, name, rows, columns)
        yield make_product(parameters, matrix, random_activations(vectors, columns, parameters.activation_bits))


def heaviest_word(block_format: BlockFormat) -> int:
    """The word whose weights' magnitudes sum to the most: greatest shift, coefficients at a limit."""
    low, high = block_format.coefficient_limits
    multipliers = torch.tensor([2 * q + 1 if block_format.odd_coefficients else q for q in (low, high)])
    choices = torch.cartesian_prod(*[torch.arange(2)] * block_format.latent_dim)
    weights = all_entry_matrices(block_format) @ multipliers[choices].T
    seed, choice = divmod(int(weights.abs().sum(dim=1).argmax()), len(choices))
    coefficients = tuple((low, high)[index] for index in choices[choice].tolist())
    return block_format.pack(seed + 1, block_format.exponent_limits[1], coefficients)


def heaviest_activations(weights: Tensor, activation_bits: int) -> Tensor:
    """Activations at the limits that make one row's sum the greatest, and the least."""
    low, high = -(1 << (activation_bits - 1)), (1 << (activation_bits - 1)) - 1
    return torch.stack([torch.where(weights < 0, low, high), torch.where(weights < 0, high, low)])


def _integers(beats: Beats) -> list[int]:
    return [int.from_bytes(beat.tobytes(), "little") for beat in beats]
