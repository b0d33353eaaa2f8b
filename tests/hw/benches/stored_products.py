"""Products of a file through one engine, with every pair of stalls."""

import itertools
import os
from random import Random

import cocotb
from cocotb.handle import HierarchyObject

from tests.hw.benches.engine import Bench
from tests.hw.papers.products import load_products
from tests.hw.streams import PATTERNS, start


@cocotb.test()
async def real_matrices_give_the_golden_results_whatever_stalls(dut: HierarchyObject) -> None:
    products = load_products(os.environ["SUBJECT"])
    await start(dut)
    for data, results in itertools.product(PATTERNS.values(), PATTERNS.values()):
        await Bench(dut, data, results, Random(1)).run(products)
