import pytest
import torch
from torch import Tensor

from formats.engine import EngineParameters
from formats.router.descriptor import RouterParameters
from golden_models.decoder import Decoder
from golden_models.dynamoe import by_routers, expert_output, expert_widths, nested_logits
from papers.dynamoe_nested import Nested, every_token, judge
from papers.dynamoe_trained import PARAMETERS, Cost, against_fixed_widths, line_at, read, tune
from papers.dynamoe_training import (
    NestedMLP,
    TrainingSizes,
    next_token_loss,
    ordered_layers,
    small_decoder,
    small_tokenizer,
    train,
    tuned_as_experts,
    tuned_to_width,
)
from sw_runtime.device.emulated import EmulatedDevice

TINY = TrainingSizes(
    dim=32, hidden=64, layers=2, heads=2, kv_heads=1, vocabulary=300, batch=2, length=16, steps=4, tuning_steps=3
)
TEXT = "the cat sat on the mat and the dog sat on the cat. " * 40


def tokens() -> Tensor:
    return torch.tensor(small_tokenizer(TEXT, TINY.vocabulary).encode(TEXT).ids)


def test_a_small_tokenizer_reads_every_text_without_loss() -> None:
    tokenizer = small_tokenizer(TEXT, 300)
    assert tokenizer.get_vocab_size() <= 300
    known, unknown = (tokenizer.encode(text) for text in ("the cat", "Über 鿆"))
    assert len(known.ids) < 7
    alphabet = small_tokenizer("", 300).get_vocab_size()
    assert alphabet == 256
    assert len(unknown.ids) == len("Über 鿆".encode())


def test_training_lowers_the_loss_and_repeats_itself() -> None:
    text = tokens()
    models = [small_decoder(TINY) for _ in range(2)]
    windows = text[:64].view(2, 32)
    before = next_token_loss(models[0], windows).item()
    for model in models:
        train(model, text, TINY, 30, 1e-2, "training")
    after = [next_token_loss(model, windows).item() for model in models]
    assert after[0] < before - 0.5
    assert after[0] == after[1]


def test_a_nested_mlp_is_the_golden_expert_of_each_token() -> None:
    layer = Decoder.from_transformers(small_decoder(TINY)).layers[0]
    torch.manual_seed(1)
    mlp, x = NestedMLP(layer, PARAMETERS), torch.randn(3, 20, 32)
    for theta in (0.4, 0.5, 0.6):
        mlp.theta = theta
        found = mlp(x)[1]
        chosen = by_routers([mlp.router], theta)(0, x[1])
        for token, expert in enumerate(chosen.tolist()):
            expected = expert_output(x[1], layer, expert_widths(64, 4)[expert])[token]
            torch.testing.assert_close(found[token], expected, atol=1e-5, rtol=1e-4)


def test_experts_learn_with_their_routers_and_every_weight_moves() -> None:
    text, model = tokens(), small_decoder(TINY)
    layers = ordered_layers(model, text, TINY, 4)
    nested = tuned_as_experts(model, layers, PARAMETERS, (0.3, 0.7), text, TINY)
    for before, after in zip(layers, nested.decoder.layers, strict=True):
        assert all(not torch.equal(a, b) for a, b in zip(before.matrices, after.matrices, strict=True))
    torch.manual_seed(0)
    assert not torch.equal(nested.routers[0].down.weight, NestedMLP(layers[0], PARAMETERS).router.down.weight)
    again = tuned_as_experts(model, layers, PARAMETERS, (0.3, 0.7), text, TINY)
    assert torch.equal(again.decoder.layers[1].down, nested.decoder.layers[1].down)


def test_ordering_neurons_changes_nothing_and_a_width_has_as_many_of_them() -> None:
    text, model = tokens(), small_decoder(TINY)
    layers = ordered_layers(model, text, TINY, 4)
    dense = Decoder.from_transformers(model)
    ordered = Nested(Decoder(**{**vars(dense), "layers": tuple(layers)}), [])
    window = text[:20]
    torch.testing.assert_close(nested_logits(ordered.decoder, every_token(3), 4, window)[0], dense(window))
    narrow = tuned_to_width(model, layers, 16, text, TINY)
    assert narrow.layers[0].gate.shape == (16, 32)
    assert narrow.layers[0].down.shape == (32, 16)


def test_reading_by_one_expert_and_by_a_decoder_agree() -> None:
    text, decoder = tokens(), Decoder.from_transformers(small_decoder(TINY))
    windows = text[:64].view(4, 16)
    point = judge(Nested(decoder, []), every_token(3), windows, 4)
    torch.testing.assert_close(point.window_nats, read(decoder, windows))
    assert point.nats == pytest.approx(read(decoder, windows).mean().item())


def test_the_line_passes_through_the_fixed_widths_and_ends_at_the_widest() -> None:
    fixed = [Cost(10.0, torch.tensor([4.0, 6.0])), Cost(20.0, torch.tensor([3.0, 4.0])), Cost(40.0, torch.ones(2))]
    assert line_at(10, fixed).tolist() == [4, 6]
    assert line_at(15, fixed).tolist() == [3.5, 5]
    assert line_at(20, fixed).tolist() == [3, 4]
    assert line_at(30, fixed).tolist() == [2, 2.5]
    assert line_at(41, fixed).tolist() == [1, 1]


def test_each_width_is_tuned_from_the_same_decoder_and_costs_its_weights() -> None:
    text = tokens()
    tuned = tune(text, text[:64].view(4, 16), TINY, (0.5,))
    assert tuned.weights == sum(parameter.numel() for parameter in small_decoder(TINY).parameters())
    assert [cost.active for cost in tuned.fixed] == [tuned.weights - 2 * 3 * 32 * (64 - w) for w in (16, 32, 48, 64)]
    assert len({cost.window_nats.mean().item() for cost in tuned.fixed}) == 4


def test_the_finding_is_of_the_least_favourable_theta() -> None:
    device = EmulatedDevice(EngineParameters(("scaled-4bit",)), router=RouterParameters())
    finding, figures = against_fixed_widths(device, TINY, 4, (0.3, 0.7))
    shown = {theta: str(figures[f"small decoder, experts by routers, θ = {theta}"]) for theta in (0.3, 0.7)}
    saved = {theta: float(text.split("per token, ")[1].split(" ")[0]) for theta, text in shown.items()}
    (named,) = (theta for theta in saved if f"θ = {theta}," in finding.scale)
    assert saved[named] == min(saved.values())
    assert finding.ours == pytest.approx(saved[named], abs=5e-4)
    assert finding.interval is not None
    assert finding.interval[0] <= finding.ours <= finding.interval[1]
    assert figures["small decoder, experts chosen by the device as by the golden model"] == "yes"
