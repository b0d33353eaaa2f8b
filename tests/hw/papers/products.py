"""Products with real matrices and activations, handed to a bench in a file."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from formats.engine import EngineParameters
from formats.matrices import EncodedMatrix
from formats.palette import PaletteMatrix
from formats.presets import PRESETS
from hw.engine.engine import Engine
from tests.hw.products import Product, make_product
from tests.hw.simulate import run_bench

RealMatrix = EncodedMatrix | PaletteMatrix


def check_products(parameters: EngineParameters, products: list[tuple[RealMatrix, Tensor]], folder: Path) -> None:
    """Run products, each a matrix and activations int64 [vectors, columns], in RTL; every result must be golden.

    Raises
    ------
    SystemExit
        If the bench fails, as cocotb's runner has it.
    """
    file = folder / "products.pt"
    torch.save((asdict(parameters), [(*_stored(matrix), activations) for matrix, activations in products]), file)
    run_bench(Engine(parameters), "stored_products", folder, subject=str(file))


def load_products(file: str) -> list[Product]:
    """What ``check_products`` wrote, laid out for the engine."""
    fields, stored = torch.load(file)  # tensors and plain values only: torch refuses anything else
    parameters = EngineParameters(**fields)
    return [make_product(parameters, _restored(*matrix), activations) for *matrix, activations in stored]


def _stored(matrix: RealMatrix) -> tuple[str | None, Tensor, Tensor, Tensor | int]:
    """A block format's name, words, scales and columns; no name, codes, tables and scales of a palette."""
    if isinstance(matrix, PaletteMatrix):
        return None, matrix.codes, matrix.tables, matrix.scales
    return matrix.block_format.name, matrix.words, matrix.scales, matrix.columns


def _restored(name: str | None, *parts: Any) -> RealMatrix:
    return EncodedMatrix(PRESETS[name], *parts) if name else PaletteMatrix(*parts)
