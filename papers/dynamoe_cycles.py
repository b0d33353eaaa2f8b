"""What DynaMoE's experts, routers and everything else cost on the engine."""

import torch
from torch import Tensor

from formats.activations import quantise_activations
from formats.engine import EngineParameters
from formats.presets import PRESETS
from golden_models.decoder import Decoder, DecoderLayer
from golden_models.dynamoe import DynaMoEParameters, expert_widths, prefix
from sw_runtime.device.cost import pass_cost
from sw_runtime.device.protocol import Device
from sw_runtime.search.search import encode_matrix

ENGINE = EngineParameters(("scaled-4bit",))


def expert_cycles(device: Device, layer: DecoderLayer, x: Tensor, experts: int) -> list[int]:
    """Cycles of a token, [D], through each expert of a layer: prefixes of matrices of seeds on a device."""
    gate, up, down = (encode_matrix(matrix, PRESETS["scaled-4bit"]) for matrix in (layer.gate, layer.up, layer.down))
    bits = device.info().activation_bits
    cycles = []
    for width in expert_widths(layer.gate.shape[0], experts):
        hidden = torch.nn.functional.silu(x @ layer.gate[:width].T) * (x @ layer.up[:width].T)
        dim = len(x)
        before = device.counters.cycles
        for matrix, vector in (
            (prefix(gate, width, dim), x),
            (prefix(up, width, dim), x),
            (prefix(down, dim, width), hidden),
        ):
            handle = device.load(matrix)
            device.matvec(handle, quantise_activations(vector[None], bits)[0])
            device.unload(handle)
        cycles.append(device.counters.cycles - before)
    return cycles


def other_cycles(decoder: Decoder, parameters: DynaMoEParameters) -> tuple[int, int]:
    """Cycles a token in all matrices but the MLPs, and in the routers: the engine's exact timing on an ideal memory."""

    def cycles(rows: int, columns: int) -> int:
        return pass_cost(ENGINE, ENGINE.weight_formats[0], rows, columns, 1).cycles

    layer, count = decoder.layers[0], len(decoder.layers)
    attention = sum(cycles(*matrix.shape) for matrix in (layer.query, layer.key, layer.value, layer.output))
    routers = cycles(parameters.router_width, layer.gate.shape[1]) + cycles(parameters.experts, parameters.router_width)
    return count * attention + cycles(*decoder.head.shape), count * routers
