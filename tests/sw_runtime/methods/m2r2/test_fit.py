import math

import torch

from golden_models.m2r2.residuals import run_both
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.m2r2.exits import exit_logits
from sw_runtime.methods.m2r2.fit import (
    Window,
    agreement,
    fit_adapters,
    fit_exit_gates,
    follow,
    gate_loss,
    low_rank,
    train_adapters,
)
from sw_runtime.methods.m2r2.residuals import Adapter, M2R2Parameters
from tests.golden_models.m2r2.models import random_adapters
from tests.sw_runtime.methods.models import adapters, both_decoders, decoder_of_six_layers

PARAMETERS = M2R2Parameters(rate=2, rank=4, exits=(2, 3), latent=4)


def texts(count: int = 4, length: int = 60) -> list[torch.Tensor]:
    return list(torch.randint(120, (count, length), generator=torch.Generator().manual_seed(5)))


def windows(decoder: Decoder) -> list[Window]:
    return [Window.of(decoder, tokens) for tokens in texts()]


def test_a_map_of_low_rank_is_found_again() -> None:
    torch.manual_seed(0)
    inputs, wanted = torch.randn(300, 20), torch.randn(20, 3) @ torch.randn(3, 20)
    found = low_rank(inputs, inputs @ wanted, torch.ones(300), 3)
    assert found.up.shape == (20, 3)
    torch.testing.assert_close(found(inputs), inputs @ wanted, rtol=0.01, atol=0.05)


def test_windows_hold_the_golden_streams() -> None:
    (decoder, golden_decoder), tokens, golden_adapters = both_decoders(), texts()[0], random_adapters(3, 1)
    golden = run_both(golden_decoder, golden_adapters, tokens)
    window = Window.of(decoder, tokens)
    for ours, expected in zip(window.slow, golden.slow, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-3, rtol=1e-4)
    for ours, expected in zip(follow(decoder, adapters(golden_adapters), window), golden.fast, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(window.slow[3], decoder.feed_forward(decoder.layers[2], window.attended[2]))


def test_the_loss_is_binary_cross_entropy() -> None:
    logits, agrees = torch.randn(20), torch.rand(20) < 0.5
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, agrees.float())
    torch.testing.assert_close(gate_loss(logits, agrees), expected)


def test_adapters_bring_the_fast_stream_nearer_to_the_slow_one_at_its_horizon() -> None:
    decoder = decoder_of_six_layers()
    fitted_to = windows(decoder)
    adapters, fast = fit_adapters(decoder, fitted_to, PARAMETERS)
    zeros = [Adapter.zero(64, 4)] * 3
    for window, stream in zip(fitted_to, fast, strict=True):
        torch.testing.assert_close(stream[-1], follow(decoder, adapters, window)[-1])
        distances = [(p[1:] - window.slow[6][1:]).norm() for p in (stream[-1], follow(decoder, zeros, window)[-1])]
        assert distances[0] < distances[1]


def test_back_propagation_brings_the_last_logits_nearer_and_leaves_its_start_alone() -> None:
    decoder = decoder_of_six_layers()
    with torch.inference_mode():  # as the demonstration runs it
        fitted_to = windows(decoder)
        fitted, _ = fit_adapters(decoder, fitted_to, PARAMETERS)
    started = [Adapter(torch.zeros_like(adapter.up), adapter.down) for adapter in fitted]
    kept = [adapter.up.clone() for adapter in started]
    trained = train_adapters(decoder, started, fitted_to, epochs=10)

    @torch.inference_mode()
    def divergence(adapters: list[Adapter]) -> float:
        logits = [decoder.logits(follow(decoder, adapters, window)[-1][1:]) for window in fitted_to]
        wanted = [decoder.logits(window.slow[-1][1:]) for window in fitted_to]
        found, target = (torch.cat(parts).log_softmax(dim=-1) for parts in (logits, wanted))
        return torch.nn.functional.kl_div(found, target, log_target=True, reduction="batchmean").item()

    assert divergence(trained) < 0.8 * divergence(started)
    assert not trained[0].up.requires_grad
    assert all(adapter.up.equal(before) for adapter, before in zip(started, kept, strict=True))
    unchanged = train_adapters(decoder, started, fitted_to, epochs=0)
    assert all(torch.equal(one.down, other.down) for one, other in zip(unchanged, started, strict=True))


def test_exit_gates_learn_and_repeat_themselves() -> None:
    decoder = decoder_of_six_layers()
    fitted_to = windows(decoder)
    _, fast = fit_adapters(decoder, fitted_to, PARAMETERS)
    first, second = (fit_exit_gates(decoder, fitted_to, fast, PARAMETERS) for _ in range(2))
    assert torch.equal(first[0].query, second[0].query)
    for number, layer in enumerate(PARAMETERS.exits):
        logits = torch.cat([exit_logits(first, p, PARAMETERS.exits)[:, number] for p in fast])
        agrees = torch.cat([agreement(decoder, p[layer], w.slow[-1]) for p, w in zip(fast, fitted_to, strict=True)])
        assert gate_loss(logits, agrees) < math.log(2)  # what a gate that knows nothing has
