"""Products with real matrices and activations, handed to a bench in a file."""

from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from golden_models.seedlm.block_format import PRESETS
from golden_models.seedlm.codec import EncodedMatrix
from hw.engine import Engine
from hw.parameters import EngineParameters
from tests.hw.products import Product, make_product
from tests.hw.simulate import run_bench


def check_products(parameters: EngineParameters, products: list[tuple[EncodedMatrix, Tensor]], folder: Path) -> None:
    """Run products, each a matrix and activations int64 [vectors, columns], in RTL; every result must be golden.

    Raises
    ------
    SystemExit
        If the bench fails, as cocotb's runner has it.
    """
    stored = [(m.block_format.name, m.words, m.scales, m.columns, activations) for m, activations in products]
    file = folder / "products.pt"
    torch.save((asdict(parameters), stored), file)
    run_bench(Engine(parameters), "stored_products", folder, subject=str(file))


def load_products(file: str) -> list[Product]:
    """What ``check_products`` wrote, laid out for the engine."""
    fields, stored = torch.load(file)  # tensors and plain values only: torch refuses anything else
    parameters = EngineParameters(**fields)
    return [
        make_product(parameters, EncodedMatrix(PRESETS[name], words, scales, columns), activations)
        for name, words, scales, columns, activations in stored
    ]
