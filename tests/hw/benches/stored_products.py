"""Products of a file through one engine, memory and host at several paces."""

import os
from random import Random

import cocotb
from cocotb.handle import HierarchyObject

from tests.hw.benches.engine import Bench
from tests.hw.papers.products import load_products
from tests.hw.streams import PATTERNS, start

PACES = (("always", "always"), ("half", "half"), ("always", "rarely"))
"""Of memory and host."""


@cocotb.test()
async def real_matrices_give_the_golden_results_whatever_stalls(dut: HierarchyObject) -> None:
    products = load_products(os.environ["SUBJECT"])
    await start(dut)
    for data, results in PACES:
        await Bench(dut, PATTERNS[data], PATTERNS[results], Random(1)).run(products)
