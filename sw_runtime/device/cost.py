"""What a pass costs on an ideal memory, without simulating it: exact, cycle for cycle.

Cycle 0 takes the command; then come the activation beats and the weight beats, one a cycle. A row
group's totals enter the result queue ``latency`` cycles behind its last beat and leave one beat a
cycle. Weights pause only where a row group would end while all result slots are taken, which
happens when rows are so short that read-out cannot keep up.
"""

from functools import cache

from hw.parameters import RESULT_SLOTS, EngineParameters, WeightFormat
from sw_runtime.device.protocol import Counters

QUEUE_LATENCY = 3
"""Cycles from a group's last sums to its first result: beat register into the lanes, queue in and out."""


@cache
def pass_cost(
    parameters: EngineParameters, weight_format: WeightFormat, rows: int, columns: int, vectors: int
) -> Counters:
    """Counters of one pass over a matrix [rows, columns] with ``vectors`` activation vectors, an ideal
    memory and a host that takes every result at once."""
    blocks = weight_format.blocks(columns)
    groups = parameters.row_groups(weight_format, rows)
    activation_beats = vectors * parameters.activation_beats(weight_format, columns)
    weight_beats = groups * blocks
    read_out = vectors * parameters.result_beats(weight_format)
    latency = parameters.lane_latency(weight_format) + QUEUE_LATENCY
    last_beat, left = activation_beats, [-1] * RESULT_SLOTS
    for group in range(groups):
        slot = group % RESULT_SLOTS
        last_beat = max(last_beat + blocks, left[slot] + 1)
        left[slot] = max(last_beat + latency, left[slot - 1] + 1) + read_out - 1
    return Counters(
        cycles=left[(groups - 1) % RESULT_SLOTS] + 1,
        port_busy_cycles=activation_beats + weight_beats,
        weight_bytes=weight_beats * parameters.port_bytes,
        activation_bytes=activation_beats * parameters.port_bytes,
        result_bytes=8 * vectors * rows,
    )
