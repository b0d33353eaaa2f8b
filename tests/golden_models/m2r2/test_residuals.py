import pytest
import torch

from golden_models.decoder import Decoder
from golden_models.m2r2.residuals import Adapter, M2R2Parameters, Streams, read_prompt, run_both, run_slow
from tests.golden_models.m2r2.models import PROMPT, decoder_of_six_layers, random_adapters


def both(adapters: list[Adapter]) -> tuple[Decoder, Streams]:
    decoder = decoder_of_six_layers()
    nothing = read_prompt(decoder, PROMPT[:1])
    return decoder, run_both(decoder, adapters, PROMPT, torch.arange(6), nothing)


def test_without_adapters_both_streams_are_equal_bit_for_bit() -> None:
    _, streams = both([Adapter.zero(64, 4)] * 6)
    for slow, fast in zip(streams.slow, streams.fast, strict=True):
        assert torch.equal(slow, fast)


def test_the_slow_stream_is_the_decoder() -> None:
    decoder, streams = both(random_adapters(6, seed=1))
    assert torch.equal(decoder.logits(streams.slow[-1]), decoder(PROMPT))


def test_the_fast_stream_attends_to_the_slow_ones_keys_and_adds_the_adapter() -> None:
    adapters = random_adapters(6, seed=2)
    decoder, streams = both(adapters)
    positions = torch.arange(6)
    mask = positions[None] <= positions[:, None]
    for number, layer in enumerate(decoder.layers):
        before, slow = streams.fast[number], streams.slow[number]
        attended, _ = decoder.attend(layer, before, positions, decoder.keys_values(layer, slow, positions), mask)
        step = decoder.feed_forward(layer, attended) - before
        added = torch.einsum("dr,re,te->td", adapters[number].up, adapters[number].down, before)
        torch.testing.assert_close(streams.fast[number + 1], before + step + added)
        assert added.abs().max() > 1e-4


def test_a_token_at_a_time_gives_the_same_streams() -> None:
    adapters = random_adapters(4, seed=3)
    decoder, whole = both(adapters)
    cache = read_prompt(decoder, PROMPT[:1])[:4]
    for place, token in enumerate(PROMPT.tolist()):
        streams = run_both(decoder, adapters, torch.tensor([token]), torch.tensor([place]), cache)
        cache = streams.cache
        torch.testing.assert_close(streams.fast[-1][0], whole.fast[-1][place])
        torch.testing.assert_close(streams.slow[-1][0], whole.slow[-1][place])


def test_the_slow_stream_goes_on_where_both_stopped() -> None:
    decoder, streams = both(random_adapters(2, seed=4))
    nothing = read_prompt(decoder, PROMPT[:1])
    final, _ = run_slow(decoder, streams.slow[-1], torch.arange(6), nothing[2:], range(2, 6))
    assert torch.equal(decoder.logits(final), decoder(PROMPT))


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
