import pytest
import torch
from torch import nn

from formats.engine import EngineParameters
from golden_models.m2r2.residuals import run_both as golden_run_both
from papers.seeds import as_seeds
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.m2r2.residuals import Adapter, M2R2Parameters, read_prompt, run_both, run_slow
from tests.golden_models.m2r2.models import random_adapters
from tests.models import tiny_llama
from tests.sw_runtime.methods.models import PROMPT, SHAPES, adapters, both_decoders, decoder_of_six_layers


@pytest.mark.parametrize("shape", SHAPES)
def test_streams_at_once_and_a_token_at_a_time_are_the_golden_ones(shape: dict[str, int]) -> None:
    decoder, golden_decoder = both_decoders(**shape)
    golden_adapters = random_adapters(3, seed=3, width=golden_decoder.embedding.shape[1])
    golden = golden_run_both(golden_decoder, golden_adapters, PROMPT)
    whole = run_both(decoder, adapters(golden_adapters), PROMPT, torch.arange(6), decoder.caches())
    caches = decoder.caches()
    for place in range(6):
        now = slice(place, place + 1)
        streams = run_both(decoder, adapters(golden_adapters), PROMPT[now], torch.arange(6)[now], caches)
        for depth in range(4):
            for found in (streams, whole):
                rows = now if found is whole else slice(0, 1)
                torch.testing.assert_close(found.slow[depth][rows], golden.slow[depth][now], atol=1e-4, rtol=1e-4)
                torch.testing.assert_close(found.fast[depth][rows], golden.fast[depth][now], atol=1e-4, rtol=1e-4)


def test_without_adapters_both_streams_are_equal() -> None:
    decoder = decoder_of_six_layers()
    streams = run_both(decoder, [Adapter.zero(64, 4)] * 6, PROMPT, torch.arange(6), decoder.caches())
    for slow, fast in zip(streams.slow, streams.fast, strict=True):  # a product rounds by a row's place in it
        torch.testing.assert_close(slow, fast, atol=1e-5, rtol=1e-5)


def test_on_a_device_both_streams_share_a_pass_and_are_equal_bit_for_bit() -> None:
    model = tiny_llama().requires_grad_(False)
    device = EmulatedDevice(EngineParameters(("scaled-4bit",), batch=2))
    for name, linear in [(n, m) for n, m in model.model.named_modules() if isinstance(m, nn.Linear)]:
        seeds = as_seeds(linear, "scaled-4bit")
        seeds.attach(device)
        model.model.set_submodule(name, seeds)
    decoder = Decoder.of(model)
    caches = decoder.caches()
    for place in range(6):
        now = slice(place, place + 1)
        before = device.counters.weight_bytes
        streams = run_both(decoder, [Adapter.zero(64, 4)] * 3, PROMPT[now], torch.arange(6)[now], caches)
        both = device.counters.weight_bytes - before
        for slow, fast in zip(streams.slow, streams.fast, strict=True):
            assert torch.equal(slow, fast)
    alone = device.counters.weight_bytes
    run_slow(decoder, decoder.embed(PROMPT[-1:]), torch.tensor([5]), caches, range(3))
    assert both == device.counters.weight_bytes - alone


def test_the_slow_stream_goes_on_where_both_stopped() -> None:
    decoder, golden_decoder = both_decoders()
    caches = decoder.caches()
    streams = run_both(decoder, adapters(random_adapters(2, seed=4)), PROMPT, torch.arange(6), caches)
    final = run_slow(decoder, streams.slow[-1], torch.arange(6), caches, range(2, 6))
    torch.testing.assert_close(decoder.logits(final), golden_decoder(PROMPT), atol=1e-4, rtol=1e-4)


def test_a_prompt_is_read_but_for_its_last_token() -> None:
    decoder, golden_decoder = both_decoders()
    caches = read_prompt(decoder, PROMPT)
    final = run_slow(decoder, decoder.embed(PROMPT[-1:]), torch.tensor([5]), caches, range(6))
    torch.testing.assert_close(decoder.logits(final)[0], golden_decoder(PROMPT)[-1], atol=1e-4, rtol=1e-4)
    assert read_prompt(decoder, PROMPT[:1])[0].first(1).shape[2] == 0


def test_the_horizon_is_clamped_to_the_model() -> None:
    assert [M2R2Parameters(rate=2).horizon(layer, 6) for layer in range(5)] == [0, 2, 4, 6, 6]


@pytest.mark.parametrize("numbers", [{"rate": 0}, {"rank": 0}, {"latent": 0}])
def test_numbers_below_one_are_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="rate, rank and latent are at least 1, not "):
        M2R2Parameters(**numbers)


@pytest.mark.parametrize("exits", [(), (0, 3), (4, 2), (3, 3)])
def test_exits_that_do_not_ascend_are_refused(exits: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="exits must be layers from 1 on, ascending"):
        M2R2Parameters(exits=exits)
