from dataclasses import replace

import pytest
import torch

from formats.engine import EngineParameters
from formats.errors import InputError
from golden_models.openelm import SIZES, OpenELM, OpenELMParameters, layer_shapes, parameter_count
from papers import openelm
from papers.openelm import (
    Text,
    bits_a_byte,
    compress_layers,
    cycles_a_layer,
    interval_of_mean,
    layer_cycles,
    measure,
    train,
)
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


def test_another_seed_starts_and_reads_otherwise() -> None:
    text = Text.of("All work and no play makes Jack a dull boy. " * 100)
    one, other = (train(TINY, text, steps=1, seed=seed) for seed in (0, 1))
    assert not torch.equal(one.token_embeddings.weight, other.token_embeddings.weight)


def test_the_models_compared_have_as_many_parameters_within_two_per_cent() -> None:
    scaled, uniform = openelm.SCALED, openelm.UNIFORM
    assert parameter_count(uniform) == pytest.approx(parameter_count(scaled), rel=0.02)
    widths = [len({shape.ffn for shape in layer_shapes(parameters)}) for parameters in (uniform, scaled)]
    assert widths == [1, scaled.layers]


def test_an_interval_over_three_seeds_is_students() -> None:
    low, high = interval_of_mean([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx((2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5))


def test_an_interval_takes_more_than_one_seed() -> None:
    with pytest.raises(InputError, match="2 to 10 seeds, not 1"):
        interval_of_mean([1.0])


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
    emulated, report = (measure(device, 3, TINY, UNIFORM, new_bytes=4, seeds=2) for device in ("emulated", "simulated"))
    ours = report.figures
    assert report.findings["norms"].ours == 113
    bits = [
        sum(float(value) for name, value in ours.items() if words in name and ", seed" in name)
        for words in ("all layers alike", "layer-wise scaled")
    ]
    finding = report.findings["scaling"]
    assert finding.ours == pytest.approx((bits[0] - bits[1]) / 2)
    assert finding.ours is not None
    assert finding.interval is not None
    assert finding.interval[0] < finding.ours < finding.interval[1]
    assert [emulated.device, report.device] == ["emulated", "simulated"]
    assert report.details == emulated.details
