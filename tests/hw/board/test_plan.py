"""A plan counts what the host lays out, for every family of formats."""

import pytest
from amaranth.sim import Simulator, SimulatorContext

from formats.board_requests import Status
from formats.engine import EngineParameters
from formats.weight_format import WeightFormat
from hw.board.parameters import BoardParameters
from hw.board.plan import ARGUMENTS, ProductPlan, plan_cycles
from hw.memory.chips import W9825G6KH_6, Sdram
from sw_runtime.device.layout import stored_bytes
from sw_runtime.device.protocol import MatrixShape

FORMATS = ("scaled-4bit", "scaled-3bit", "scaled-2bit", "trellis-2bit", "palette-4bit", "palette-2bit", "fp16")
SIZES = {"maximum_columns": 200, "maximum_rows": 300}
ENGINES = (
    EngineParameters(FORMATS, port_bytes=4, batch=3, **SIZES),
    EngineParameters(FORMATS, port_bytes=4, activation_bits=8, **SIZES),
    EngineParameters(("trellis-2bit",), port_bytes=4, lanes=1, batch=2, **SIZES),
)
SHAPES = ((1, 1), (300, 200), (7, 33))


def arguments_of(engine: EngineParameters, weight_format: WeightFormat, rows: int, columns: int) -> dict[str, int]:
    return {
        "format": engine.weight_formats.index(weight_format),
        "column_blocks": weight_format.blocks(columns),
        "row_groups": engine.row_groups(weight_format, rows),
        "vectors": engine.batch,
        "activations": 4096,
        "weights": 8192,
        "results": 1 << 20,
    }


def expected_counts(engine: EngineParameters, weight_format: WeightFormat, rows: int, columns: int) -> dict[str, int]:
    """As the engine and the host's layout say."""
    activations = engine.batch * engine.activation_beats(weight_format, columns)
    weights = engine.weight_beats(weight_format, rows, columns)
    results = engine.row_groups(weight_format, rows) * engine.result_beats(weight_format) * engine.batch
    return {
        "activation_words": activations,
        "activation_beats": activations,
        "weight_words": weights,
        "weight_beats": stored_bytes(MatrixShape(weight_format.name, rows, columns), engine) // 4,
        "results": 2 * results,
    }


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: f"{len(engine.formats)} formats, batch {engine.batch}")
def test_words_and_beats_are_those_that_the_host_lays_out(engine: EngineParameters) -> None:
    board = BoardParameters(engine, Sdram(W9825G6KH_6, 100, 2))
    plan = ProductPlan(board)
    checked = 0

    async def bench(context: SimulatorContext) -> None:
        nonlocal checked
        for weight_format in engine.weight_formats:
            for shape in SHAPES:
                arguments = arguments_of(engine, weight_format, *shape)
                for name, position in ARGUMENTS.items():
                    context.set(plan.arguments[position], arguments[name])
                context.set(plan.start, 1)
                cycles = 1
                while not context.get(plan.done):
                    await context.tick()
                    context.set(plan.start, 0)
                    cycles += 1
                assert context.get(plan.status) == Status.OK
                assert cycles == plan_cycles(board, arguments)
                found = {
                    "activation_words": context.get(plan.activations.words) + 1,
                    "activation_beats": context.get(plan.activations.beats) + 1,
                    "weight_words": context.get(plan.weights.words) + 1,
                    "weight_beats": context.get(plan.weights.beats) + 1,
                    "results": context.get(plan.results) + 1,
                }
                assert found == expected_counts(engine, weight_format, *shape)
                places = (plan.activations.address, plan.weights.address, plan.results_address)
                assert [context.get(place) for place in places] == [1024, 2048, 1 << 18]
                widths = [board.word_bits[context.get(each.width)] for each in (plan.activations, plan.weights)]
                assert widths == [32, engine.beat_bits(weight_format)]
                await context.tick()
                checked += 1

    simulator = Simulator(plan)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert checked == len(SHAPES) * len(engine.formats)
