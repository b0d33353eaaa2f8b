from dataclasses import replace

import pytest
import torch

from formats.engine import EngineParameters
from golden_models.openelm import SIZES, OpenELM, OpenELMParameters, layer_shapes
from papers.openelm import Text, bits_a_byte, compress_layers, cycles_a_layer, layer_cycles, measure, train
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.nn.attach import attach
from sw_runtime.nn.linear import SeedLinear

TINY = OpenELMParameters(layers=2, dim=32, head_dim=4, vocabulary=256, ffn_divisor=8)
UNIFORM = replace(TINY, query_multipliers=(1, 1), ffn_multipliers=(2, 2))


def test_training_learns_and_repeats_itself() -> None:
    text = Text.of("All work and no play makes Jack a dull boy. " * 100)
    before = bits_a_byte(train(TINY, text, steps=1), text.held_out, windows=2)
    first, second = (bits_a_byte(train(TINY, text, steps=12), text.held_out, windows=2) for _ in range(2))
    assert first == second < before


def test_a_byte_of_ten_is_held_out() -> None:
    text = Text.of("0123456789" * 5)
    assert bytes(text.held_out.tolist()) == b"56789"
    assert len(text.training) == 45


def test_every_matrix_is_compressed_and_the_head_is_not() -> None:
    model = OpenELM(TINY)
    compress_layers(model, "scaled-4bit")
    assert sum(isinstance(module, SeedLinear) for module in model.modules()) == 4 * TINY.layers
    assert isinstance(model.token_embeddings, torch.nn.Embedding)


def test_cycles_of_shapes_alone_are_those_of_the_device() -> None:
    engine = EngineParameters(("paper-3bit",))
    model, device = OpenELM(TINY), EmulatedDevice(engine)
    compress_layers(model, "paper-3bit")
    attach(model, device)
    assert cycles_a_layer(model, device) == list(layer_cycles(TINY, engine, "paper-3bit"))


def test_cycles_grow_with_the_layers_of_a_published_size() -> None:
    engine = EngineParameters(("scaled-4bit",), maximum_columns=8192, maximum_rows=16384)
    cycles = list(layer_cycles(SIZES["1.1B"], engine, "scaled-4bit"))
    assert cycles == sorted(cycles)
    assert len(cycles) == len(layer_shapes(SIZES["1.1B"]))


@pytest.mark.usefixtures("narrow_port")
def test_both_devices_report_alike() -> None:
    emulated, report = (measure(device, 3, TINY, UNIFORM, new_bytes=4) for device in ("emulated", "simulated"))
    ours = report.figures
    assert report.findings["norms"].ours == 113
    (uniform,) = (value for name, value in ours.items() if "all layers alike" in name)
    assert report.findings["scaling"].ours == uniform - ours["bits a byte of held-out text, layer-wise scaled"]
    assert [emulated.device, report.device] == ["emulated", "simulated"]
    assert report.details == emulated.details
