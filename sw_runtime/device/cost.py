"""What a pass costs on an ideal memory, without simulating it: exact, cycle for cycle.

Cycle 0 takes the command; then come the activation beats and the weight beats, one per cycle. A row
group's totals enter the result queue ``latency`` cycles behind its last beat and leave one beat a
cycle. Weights pause only where a row group would end while all result slots are taken, which
happens when rows are so short that read-out cannot keep up.
"""

from dataclasses import replace
from functools import cache

from formats.engine import RESULT_SLOTS, EngineParameters
from formats.weight_format import WeightFormat
from hw.requantiser import SCALE_BITS
from sw_runtime.device.protocol import Counters

QUEUE_LATENCY = 3
"""Cycles from a group's last sums to its first result: beat register into the lanes, queue in and out."""

ROUTER_START = 23
"""Cycle in which a router can take the first keys of a command that was sent with its product."""

ANSWER_LATENCY = 16
"""Most cycles from a product's last result through requantiser and router to the answer's last word."""


@cache
def pass_cost(
    parameters: EngineParameters, weight_format: WeightFormat, rows: int, columns: int, vectors: int
) -> Counters:
    """Counters of one pass over a matrix [rows, columns] with ``vectors`` activation vectors, an ideal
    memory and a host that takes every result at once."""
    activation_beats = vectors * parameters.activation_beats(weight_format, columns)
    weight_beats = parameters.weight_beats(weight_format, rows, columns)
    read_out = vectors * parameters.result_beats(weight_format)
    return Counters(
        cycles=_last_result(parameters, weight_format, rows, columns, activation_beats, read_out) + 1,
        port_busy_cycles=activation_beats + weight_beats,
        weight_bytes=weight_beats * parameters.port_bytes,
        activation_bytes=activation_beats * parameters.port_bytes,
        result_bytes=8 * vectors * rows,
    )


@cache
def routed_cost(parameters: EngineParameters, weight_format: WeightFormat, rows: int, columns: int) -> Counters:
    """Counters of one routed pass, the router's own bytes left out; of the cycles, the most it may take.

    The requantiser takes a result a cycle and no padding, and the router all of them once it has
    started. A product quicker than the router's start waits for it.
    """
    plain = pass_cost(parameters, weight_format, rows, columns, 1)
    activation_beats = parameters.activation_beats(weight_format, columns)
    lanes = parameters.lanes_for(weight_format)
    first = activation_beats + weight_format.blocks(columns) + parameters.lane_latency(weight_format) + QUEUE_LATENCY
    last = _last_result(parameters, weight_format, rows, columns, activation_beats, lanes) - -rows % lanes
    cycles = last + 1 + max(0, ROUTER_START - first) + ANSWER_LATENCY
    return replace(plain, cycles=cycles, result_bytes=0, scale_bytes=rows * SCALE_BITS // 8)


def _last_result(
    parameters: EngineParameters,
    weight_format: WeightFormat,
    rows: int,
    columns: int,
    activation_beats: int,
    read_out: int,
) -> int:
    """Cycle in which the last row group has left the result queue, from which each takes ``read_out`` cycles."""
    blocks = weight_format.blocks(columns)
    groups = parameters.row_groups(weight_format, rows)
    latency = parameters.lane_latency(weight_format) + QUEUE_LATENCY
    last_beat, left = activation_beats, [-1] * RESULT_SLOTS
    for group in range(groups):
        slot = group % RESULT_SLOTS
        last_beat = max(last_beat + blocks, left[slot] + 1)
        left[slot] = max(last_beat + latency, left[slot - 1] + 1) + read_out - 1
    return left[(groups - 1) % RESULT_SLOTS]
