import torch

from golden_models.decoder import Decoder
from golden_models.m2r2.residuals import Adapter, Streams, run_both
from tests.golden_models.m2r2.models import PROMPT, decoder_of_six_layers, random_adapters


def both(adapters: list[Adapter]) -> tuple[Decoder, Streams]:
    decoder = decoder_of_six_layers()
    return decoder, run_both(decoder, adapters, PROMPT)


def test_without_adapters_both_streams_are_equal_bit_for_bit() -> None:
    _, streams = both([Adapter(torch.zeros(64, 4), torch.zeros(4, 64))] * 6)
    for slow, fast in zip(streams.slow, streams.fast, strict=True):
        assert torch.equal(slow, fast)


def test_the_slow_stream_is_the_decoder() -> None:
    decoder, streams = both(random_adapters(6, seed=1))
    assert torch.equal(decoder.logits(streams.slow[-1]), decoder(PROMPT))


def test_the_fast_stream_ends_with_its_adapters() -> None:
    _, streams = both(random_adapters(2, seed=1))
    assert (len(streams.slow), len(streams.fast)) == (7, 3)


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


def test_a_token_that_left_goes_on_as_its_fast_stream_was() -> None:
    decoder, adapters = decoder_of_six_layers(), random_adapters(4, seed=3)
    plain = run_both(decoder, adapters, PROMPT)
    streams = run_both(decoder, adapters, PROMPT, [6, 6, 2, 6, 4, 6])
    for depth in range(7):
        assert torch.equal(streams.slow[depth][:2], plain.slow[depth][:2])  # nothing before them left
    for depth in range(2, 7):
        assert torch.equal(streams.slow[depth][2], plain.fast[2][2])
    assert torch.equal(streams.slow[6][4], streams.fast[4][4])
    assert not torch.allclose(streams.slow[6][5], plain.slow[6][5])  # later tokens see what left
