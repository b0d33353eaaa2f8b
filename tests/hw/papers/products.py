"""Products with real matrices and activations through the RTL of an engine."""

from collections.abc import Sequence

import torch
from torch import Tensor

from formats.engine import EngineParameters
from formats.matrices import Matrix
from golden_models.seedlm.datapath import matvec
from sw_runtime.device.simulated import simulated_device
from sw_runtime.device.simulator.library import IDEAL, Traffic

ENGINE = EngineParameters(
    ("scaled-4bit", "paper-3bit", "scaled-2bit"), port_bytes=16, maximum_columns=384, maximum_rows=256
)
"""One for all papers whose weights are seeds, so that one simulator serves them."""

TRAFFIC = (IDEAL, Traffic(memory=0.5, results=0.5), Traffic(results=1 / 16))


def check_products(parameters: EngineParameters, products: Sequence[tuple[Matrix, Tensor]]) -> None:
    """Run products, each a matrix and activations int64 [vectors, columns], whatever stalls; results must be golden.

    Raises
    ------
    AssertionError
        If a result differs.
    """
    for traffic in TRAFFIC:
        device = simulated_device(parameters, traffic, simulators=1)
        for matrix, activations in products:
            assert torch.equal(device.matvec(device.load(matrix), activations), matvec(matrix, activations))
        device.close()
