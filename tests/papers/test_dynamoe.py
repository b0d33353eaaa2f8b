import pytest
import torch
from torch import Tensor

from formats.engine import EngineParameters
from formats.presets import PRESETS
from formats.router.descriptor import RouterParameters
from golden_models.decoder import Decoder
from golden_models.dynamoe import DifficultyRouter, DynaMoEParameters, expert_widths, prefix
from papers.dynamoe import PARAMETERS, measure
from papers.dynamoe_cycles import expert_cycles, other_cycles
from papers.dynamoe_nested import (
    CheckedChoice,
    Nested,
    every_token,
    judge,
    label_tokens,
    mlp_inputs,
    train_router,
)
from sw_runtime.device.cost import pass_cost
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.search.search import encode_matrix
from tests.models import tiny_llama
from tests.papers.some_papers import alike
from tests.papers.test_dynamoe_trained import TINY

SMALL = DynaMoEParameters(experts=4, theta_label=0.8, router_width=8)


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder.from_transformers(tiny_llama())


@pytest.fixture(scope="module")
def windows() -> Tensor:
    return torch.randint(120, (4, 16), generator=torch.Generator().manual_seed(0))


def test_inputs_are_what_transformers_mlps_are_given(windows: Tensor) -> None:
    model = tiny_llama()
    seen: list[Tensor] = []
    for layer in model.model.layers:
        layer.mlp.register_forward_pre_hook(lambda _, values: seen.append(values[0][0]))
    with torch.inference_mode():
        model(windows[:1])
    ours = mlp_inputs(Decoder.from_transformers(model), windows[:1], 4)
    assert len(ours) == 3
    for expected, x in zip(seen, ours, strict=True):
        torch.testing.assert_close(x, expected)


def test_a_router_learns_its_labels_and_repeats_itself() -> None:
    x = torch.randn(300, 64, generator=torch.Generator().manual_seed(1))
    label = (x[:, 0] > 0).long() * 3
    first, second = (train_router(x, label, SMALL, steps=300) for _ in range(2))
    assert torch.equal(first.down.weight, second.down.weight)
    enough = first(x)[:, 0] > 0  # the smallest expert is, where the label is 0
    assert (enough == (label == 0)).float().mean() > 0.9


def test_nesting_labels_every_token_in_every_layer(decoder: Decoder, windows: Tensor) -> None:
    nested = Nested.of(decoder, windows, SMALL, steps=1)
    assert sum(nested.label_shares) == pytest.approx(1)
    inputs = mlp_inputs(decoder, windows, 4)
    counted = torch.stack(
        [
            label_tokens(x, layer, SMALL).bincount(minlength=4)
            for x, layer in zip(inputs, nested.decoder.layers, strict=True)
        ]
    ).sum(dim=0)
    assert nested.label_shares == (counted / (3 * windows.numel())).tolist()


def test_the_largest_expert_judges_text_as_the_dense_model(decoder: Decoder, windows: Tensor) -> None:
    nested = Nested.of(decoder, windows, SMALL, steps=1)
    point = judge(nested, every_token(3), windows, 4)
    logits = torch.stack([decoder(window)[:-1] for window in windows]).flatten(0, 1)
    targets = windows[:, 1:].flatten()
    assert point.nats == pytest.approx(torch.nn.functional.cross_entropy(logits, targets).item(), rel=1e-5)
    assert point.right == pytest.approx((logits.argmax(dim=-1) == targets).float().mean().item())
    assert point.experts.tolist() == [[3] * windows.numel()] * 3


def test_a_device_chooses_for_the_layer_it_is_asked_for() -> None:
    torch.manual_seed(0)
    routers = [DifficultyRouter(64, SMALL) for _ in range(2)]
    choice = CheckedChoice(EmulatedDevice(router=RouterParameters()), routers, 0.5)
    x = torch.randn(50, 64)
    first, second = choice(0, x), choice(1, x)
    assert choice.as_golden
    assert not torch.equal(first, second)
    smallest_above = routers[1](x) > 0
    assert torch.equal(second[smallest_above.any(dim=1)], smallest_above.int().argmax(dim=1)[smallest_above.any(dim=1)])


def test_cycles_of_an_expert_are_those_of_its_prefixes(decoder: Decoder) -> None:
    engine = EngineParameters(("scaled-4bit",))
    layer = decoder.layers[0]
    wide = torch.cat([layer.gate, layer.gate[:28]])  # 128 neurons, which four experts share in whole blocks
    layer = type(layer)(**{**vars(layer), "gate": wide, "up": wide, "down": wide.T.contiguous()})
    cycles = expert_cycles(EmulatedDevice(engine), layer, torch.randn(64), 4)
    expected = []
    for width in expert_widths(128, 4):
        shapes = ((width, 64), (width, 64), (64, width))
        expected.append(sum(pass_cost(engine, engine.weight_formats[0], *shape, 1).cycles for shape in shapes))
    assert cycles == expected == sorted(expected)


def test_a_prefix_multiplies_as_its_matrix_does_when_other_inputs_are_zero() -> None:
    torch.manual_seed(0)
    matrix = encode_matrix(torch.randn(24, 48), PRESETS["scaled-4bit"])
    activations = torch.randint(-100, 100, (1, 16))
    device = EmulatedDevice(EngineParameters(("scaled-4bit",)))
    products = device.matvec(device.load(prefix(matrix, 10, 16)), activations)
    padded = torch.nn.functional.pad(activations, (0, 32))
    assert torch.equal(products, device.matvec(device.load(matrix), padded)[:, :10])


def test_other_cycles_grow_with_layers_and_routers(decoder: Decoder) -> None:
    attention_and_head, routers = other_cycles(decoder, SMALL)
    fewer = Decoder(**{**vars(decoder), "layers": decoder.layers[:1]})
    assert other_cycles(fewer, SMALL)[1] * 3 == routers
    assert other_cycles(fewer, SMALL)[0] < attention_and_head


@pytest.mark.usefixtures("narrow_port")
def test_both_devices_choose_alike() -> None:
    reports = [measure(device, 4, 4, 8, 2, (0.5,), TINY, 4) for device in ("emulated", "simulated")]
    assert reports[0].details == reports[1].details
    assert alike(reports[0].figures, "router cycles") == alike(reports[1].figures, "router cycles")
    assert reports[0].figures["experts chosen by the device as by the golden model"] == "yes"
    instead = reports[0].findings["accuracy"].instead
    assert instead.startswith(f"θ = 0.5: {reports[0].figures['θ = 0.5']}; dense ")
    assert [report.findings["curve"].ours for report in reports] == [reports[0].findings["curve"].ours] * 2
    assert PARAMETERS.experts == len(reports[0].details["labels"])


@pytest.mark.parametrize(("windows", "held_out"), [(6, 4), (4, 2), (0, 4)])
def test_windows_that_are_no_multiples_of_4_are_refused(windows: int, held_out: int) -> None:
    with pytest.raises(ValueError, match=f"must be multiples of 4, not {windows} and {held_out}"):
        measure("emulated", windows, held_out)
