"""Sums and scales in, elements of a vector out, whatever stalls; and with one fault after the other."""

import itertools
from random import Random

import cocotb
import torch
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge

from formats.row_scales import EXPONENT_BIAS, split_scales
from golden_models.integer_decoder.vectors import shifted
from hw.decoder.row_scale import SUM_BITS
from tests.hw.decoder.exchange import is_exact, reset, silence
from tests.hw.decoder.mutants import ROW_SCALE_MUTANTS
from tests.hw.decoder.vector_commands import unsigned
from tests.hw.streams import PATTERNS, Pattern, Sink, Source, Stream, start

STREAMS = ("i_sums", "i_scales")
ROWS = 40


async def one_matrix_is_exact(dut: HierarchyObject, patterns: dict[str, Pattern], random: Random) -> bool:
    """Sums of all lengths, scales of neighbouring exponents, many of them 0 or subnormal."""
    least = random.choice((0, 0, random.randrange(1, 240)))
    fields = [random.choice((least, random.randrange(least, least + 15))) for _ in range(ROWS)]
    bits = torch.tensor([field << 7 | random.getrandbits(7) for field in fields], dtype=torch.int16)
    exponent = max(fields) + random.choice((1, random.randrange(1, 20), random.randrange(64, 255)))
    sums = torch.tensor([random.choice((-1, 1)) * random.getrandbits(random.randrange(SUM_BITS)) for _ in range(ROWS)])
    mantissas, row_fields = split_scales(bits.view(torch.bfloat16))
    elements = shifted(sums * mantissas, exponent - EXPONENT_BIAS - (row_fields - EXPONENT_BIAS))
    await FallingEdge(dut.clk)
    dut.exponent.value = exponent
    words = {"i_sums": [total & ((1 << SUM_BITS) - 1) for total in sums.tolist()], "i_scales": bits.tolist()}
    return await is_exact(dut, words, [(element, 0) for element in unsigned(elements)], patterns, random)


@cocotb.test()
async def elements_are_the_golden_models_whatever_stalls(dut: HierarchyObject) -> None:
    random = Random(71)
    silence(dut, STREAMS)
    await start(dut)
    for patterns in itertools.product(PATTERNS.values(), repeat=3):
        assert await one_matrix_is_exact(dut, dict(zip((*STREAMS, "o"), patterns, strict=True)), random)


@cocotb.test()
async def a_row_is_taken_every_cycle(dut: HierarchyObject) -> None:
    random, always = Random(72), PATTERNS["always"]
    silence(dut, STREAMS)
    await start(dut)
    sources = [Source(Stream(dut, name), always, random) for name in STREAMS]
    sending = [cocotb.start_soon(source.send([1] * ROWS)) for source in sources]
    await Sink(Stream(dut, "o"), always, random).receive(ROWS)
    for task in sending:
        await task
    assert sources[0].cycles == list(range(sources[0].cycles[0], sources[0].cycles[0] + ROWS))


@cocotb.test()
async def every_fault_is_found(dut: HierarchyObject) -> None:
    silence(dut, STREAMS)
    await start(dut)
    patterns, survivors = dict.fromkeys((*STREAMS, "o"), PATTERNS["half"]), []
    for number, mutant in enumerate(("none", *ROW_SCALE_MUTANTS)):
        await reset(dut, number)
        random = Random(73)
        if all([await one_matrix_is_exact(dut, patterns, random) for _ in range(12)]):
            survivors.append(str(mutant))
    assert survivors == ["none"], "\n".join(survivors)
