"""``seedloom bench engine``: the paper's experiment, seeds against FP16 on the same memory port."""

import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from formats.plurals import number_of
from seedloom.compared import exit_unless
from seedloom.options import ActivationBits, Columns, Format, Json, Lanes, PortBytes, Rows
from sw_runtime.json_files import figures_text

if TYPE_CHECKING:
    from formats.engine import EngineParameters
    from formats.matrices import Matrix
    from sw_runtime.device.protocol import Counters


@dataclass(frozen=True)
class EngineBenchmark:
    """One matrix-vector product, simulated as seeds and as FP16.

    ``cycles`` run from the command to the last result, activations loaded and results read out
    included; ``port_busy`` is the share of them in which the memory handed over a beat. ``exact``:
    every result of both engines equals the integer product. ``sim_cycles_per_second`` counts
    seconds of one core.
    """

    format: str
    rows: int
    columns: int
    lanes: int
    port_bytes: int
    activation_bits: int
    memory: float
    cycles: int
    port_busy: float
    bytes: int
    baseline_cycles: int
    baseline_bytes: int
    speedup: float
    exact: bool
    sim_cycles_per_second: float


def _simulate(parameters: "EngineParameters", matrix: "Matrix", memory: float) -> tuple["Counters", bool, float]:
    """Counters of one product, whether it is exact, and simulated cycles per CPU second."""
    import torch

    from sw_runtime.device.protocol import Counters
    from sw_runtime.device.random_matrices import random_activations
    from sw_runtime.device.simulated import simulated_device
    from sw_runtime.device.simulator.library import Traffic

    activations = random_activations(1, matrix.columns, parameters.activation_bits)
    device = simulated_device(parameters, Traffic(memory=memory), simulators=1)
    try:
        handle = device.load(matrix)
        exact = torch.equal(device.matvec(handle, activations), activations @ matrix.integers().long().T)
        once = device.counters
        device.counters, start = Counters(), time.process_time()
        while time.process_time() - start < 1:
            device.matvec(handle, activations)
        speed = device.counters.cycles / (time.process_time() - start)
    finally:
        device.close()
    return once, exact, speed


def measure_engine(
    format: str = "scaled-4bit",
    rows: int = 2048,
    columns: int = 2048,
    lanes: int = 0,
    port_bytes: int = 64,
    activation_bits: int = 16,
    memory: float = 1.0,
) -> EngineBenchmark:
    """Run the experiment.

    Raises
    ------
    InputError
        If a parameter is out of range, naming it, or the matrix does not fit this machine's memory.
    """
    from seedloom.random_product import engine_for
    from sw_runtime.device.random_matrices import random_matrix

    parameters = engine_for(format, rows, columns, port_bytes, lanes, activation_bits)
    counters, exact, speed = _simulate(parameters, random_matrix(format, rows, columns), memory)
    baseline_parameters = replace(parameters, formats=("fp16",), lanes=0)
    baseline, baseline_exact, _ = _simulate(baseline_parameters, random_matrix("fp16", rows, columns), memory)
    return EngineBenchmark(
        format=format,
        rows=rows,
        columns=columns,
        lanes=parameters.lanes_for(parameters.weight_formats[0]),
        port_bytes=port_bytes,
        activation_bits=activation_bits,
        memory=memory,
        cycles=counters.cycles,
        port_busy=counters.port_busy_cycles / counters.cycles,
        bytes=counters.weight_bytes + counters.activation_bytes,
        baseline_cycles=baseline.cycles,
        baseline_bytes=baseline.weight_bytes + baseline.activation_bytes,
        speedup=baseline.cycles / counters.cycles,
        exact=exact and baseline_exact,
        sim_cycles_per_second=speed,
    )


def engine(
    format: Format = "scaled-4bit",
    rows: Rows = 2048,
    columns: Columns = 2048,
    lanes: Lanes = 0,
    port_bytes: PortBytes = 64,
    activation_bits: ActivationBits = 16,
    memory: Annotated[
        float, typer.Option(help="Share of cycles in which the memory delivers data, above 0 to 1.")
    ] = 1.0,
    as_json: Json = False,
) -> None:
    """Simulate one matrix-vector product in a compressed format and in FP16, and check both bit for bit."""
    result = measure_engine(format, rows, columns, lanes, port_bytes, activation_bits, memory)
    if as_json:
        typer.echo(figures_text(asdict(result)))
        exit_unless(result.exact)
        return
    typer.echo(
        f"{result.format}, {result.rows} x {result.columns}, {number_of(result.lanes, 'lane')}, "
        f"{result.port_bytes} bytes per cycle\n"
        f"  weights   {result.cycles:>10,} cycles {result.bytes:>12,} bytes, port busy {result.port_busy:.1%}\n"
        f"  FP16      {result.baseline_cycles:>10,} cycles {result.baseline_bytes:>12,} bytes\n"
        f"  speed-up  {result.speedup:>10.3f}\n"
        f"  results equal the integer product: {'yes' if result.exact else 'NO'}\n"
        f"  simulated at {result.sim_cycles_per_second / 1e3:,.0f} k cycles per second on one core"
    )
    exit_unless(result.exact)
