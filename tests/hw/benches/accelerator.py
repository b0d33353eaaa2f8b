"""Engine and router joined: products for the host, products for the router and the router's own commands in turns."""

import itertools
from random import Random

import cocotb
import torch
from cocotb.handle import HierarchyObject

from formats.engine import EngineParameters
from formats.router.descriptor import KEY_BITS, Command, Flag, KeyFormat, Opcode
from formats.router.stream import to_bytes
from formats.row_scales import split_scales
from golden_models.router.unit import RouterUnit
from golden_models.seedlm.datapath import matvec
from golden_models.seedlm.requantise import requantise
from hw.router.parameters import UnitParameters
from hw.top import joint_command_layout
from tests.hw.products import Product, random_products
from tests.hw.router.packets import beat_payloads, command_payload
from tests.hw.router.problems import Problem
from tests.hw.streams import PATTERNS, Pattern, Sink, Source, Stream, start

ENGINE = EngineParameters(
    ("scaled-4bit", "fp16"), port_bytes=16, activation_bits=8, batch=2, maximum_columns=64, maximum_rows=40
)
ROUTER = UnitParameters(lanes=4, keys=48, slots=2, sets=1, ways=1)
BUSY_WORDS = 2
SHAPES = ((1, 1), (2, 9), (4, 64), (5, 8), (40, 20), (9, 33))


class Bench:
    """The accelerator's seven streams with their partners, and the golden unit beside its router.

    Parameters
    ----------
    dut
        The design.
    pattern
        Of every partner but the commands'.
    random
        What is drawn.
    """

    def __init__(self, dut: HierarchyObject, pattern: Pattern, random: Random) -> None:
        self._random = random
        self._golden = RouterUnit(ROUTER)
        sources = ("i_command", "i_data", "i_scales", "i_router_command", "i_router_data")
        self._sources = {name: Source(Stream(dut, name), pattern, random) for name in sources}
        self._results = Sink(Stream(dut, "o_results"), pattern, random)
        self._answers = Sink(Stream(dut, "o_router_answer"), pattern, random)

    async def for_the_host(self, product: Product) -> None:
        """A product whose results come back."""
        sending = self._send(i_command=[self._joint(product, routed=0)], i_data=product.beats)
        received = await self._results.receive(product.result_beats)
        assert torch.equal(product.results(received), product.expected)
        await self._end(sending)

    async def for_the_router(self, product: Product, opcode: Opcode) -> None:
        """A product of one vector whose results are the data of a router command."""
        rows = product.matrix.rows
        bits = torch.randint(0x3F00, 0x4100, (rows,), dtype=torch.int16)
        scales = bits.view(torch.bfloat16)
        exponent = int(split_scales(scales)[1].max()) + self._random.randrange(0, 20)
        keys = requantise(matvec(product.matrix, product.activations)[0], scales, exponent).tolist()
        command = Command(opcode, tag=rows, flags=Flag.DATA | Flag.OUT | KeyFormat.S24, n=rows)
        problem = Problem(command, to_bytes(keys, command))
        sending = self._send(
            i_command=[self._joint(product, routed=1, rows=rows, exponent=exponent)],
            i_data=product.beats,
            i_scales=bits.tolist(),
            i_router_command=[command_payload(problem)],
        )
        await self._check_answer(problem)
        await self._end(sending)

    async def by_the_router(self, problem: Problem) -> None:
        """A command with data of the host's, or with none."""
        sending = self._send(i_router_command=[command_payload(problem)], i_router_data=beat_payloads(problem, ROUTER))
        await self._check_answer(problem)
        await self._end(sending)

    async def _check_answer(self, problem: Problem) -> None:
        expected = self._golden.execute(problem.command, problem.data).words()
        words = await self._answers.receive(len(expected) + BUSY_WORDS)
        assert tuple(word & 0xFFFF for word in words[:-BUSY_WORDS]) == expected
        assert [word >> 16 for word in words] == [0] * (len(words) - 1) + [1]

    def _joint(self, product: Product, **routing: int) -> int:
        """A product's command with its routing."""
        layout = joint_command_layout(ENGINE)
        own = layout["product"]
        assert own.offset == 0
        position = own.shape.from_bits(product.command).format
        fields = {"format": position, "rows": routing.get("rows", 0), "exponent": routing.get("exponent", 0)}
        bits = int(layout.const({"routing": fields, "routed": routing["routed"]}).as_value().value)
        return bits | product.command

    def _send(self, **payloads: list[int]) -> list[cocotb.task.Task[None]]:
        return [cocotb.start_soon(self._sources[name].send(items)) for name, items in payloads.items()]

    async def _end(self, sending: list[cocotb.task.Task[None]]) -> None:
        for task in sending:
            await task


@cocotb.test()
async def every_kind_of_work_is_exact_in_any_order_whatever_stalls(dut: HierarchyObject) -> None:
    torch.manual_seed(41)
    random = Random(42)
    await start(dut)
    load = Command(Opcode.LOAD, flags=Flag.DATA | KeyFormat.U24, n=48)
    read = Problem(Command(Opcode.READKEYS, flags=Flag.OUT, n=48))
    for pattern in PATTERNS.values():
        bench = Bench(dut, pattern, random)
        keys = [random.getrandbits(KEY_BITS) for _ in range(48)]
        await bench.by_the_router(Problem(load, to_bytes(keys, load)))
        shapes = SHAPES if pattern is not PATTERNS["rarely"] else SHAPES[:3]
        for (rows, columns), name in itertools.product(shapes, ENGINE.formats):
            one, two = random_products(ENGINE, [(name, rows, columns, 1), (name, rows, columns, 2)])
            await bench.for_the_router(one, Opcode.FIRST)
            await bench.for_the_host(two)
            await bench.for_the_router(one, Opcode.LOAD)
            await bench.by_the_router(read)
            await bench.for_the_router(one, Opcode.FIRST)
