"""A model as the papers' methods drive it, its products made where its layers make them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, OPTConfig, OPTForCausalLM

from golden_models.decoder import Decoder as GoldenDecoder
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.decoder import Decoder, KeysValues, causal_mask
from sw_runtime.nn.attach import attach
from tests.models import tiny_llama
from tests.sw_runtime.methods.models import SHAPES, both_decoders

TOKENS = torch.tensor([3, 7, 20, 99, 42])


def logits(decoder: Decoder, tokens: Tensor) -> Tensor:
    """Of a whole sequence: int64 [T] → [T, vocabulary]."""
    places = decoder.places(torch.arange(len(tokens)))
    mask, hidden_states = causal_mask(places.positions, places.positions), decoder.embed(tokens)
    for layer in decoder.layers:
        seen = decoder.keys_values(layer, hidden_states, places)
        hidden_states, _ = decoder.attend(layer, hidden_states, places, seen, mask)
        hidden_states = decoder.feed_forward(layer, hidden_states)
    return decoder.logits(hidden_states)


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_the_golden_decoders(shape: dict[str, int]) -> None:
    ours, golden = both_decoders(**shape)
    with torch.inference_mode():
        torch.testing.assert_close(logits(ours, TOKENS), golden(TOKENS), atol=1e-4, rtol=1e-4)


def test_the_attention_of_a_token_is_the_golden_probabilities() -> None:
    model = tiny_llama()
    ours, golden = Decoder.of(model), GoldenDecoder.from_transformers(model)
    hidden_states, positions = torch.randn(7, 64), torch.arange(7)
    seen = golden.keys_values(golden.layers[0], hidden_states, positions)
    mask = torch.ones(7, 7, dtype=torch.bool)
    _, probabilities = golden.attend(golden.layers[0], hidden_states, positions, seen, mask)
    places = ours.places(positions)
    keys_values = ours.keys_values(ours.layers[0], hidden_states, places)
    _, queries = ours.attend(ours.layers[0], hidden_states, places, keys_values, None)
    torch.testing.assert_close(ours.attention(queries[:, 3], keys_values), probabilities[:, 3])


def test_keys_and_values_are_kept_by_position_and_replaced() -> None:
    cache = KeysValues(2, 4)
    rows = torch.arange(3.0)[None, None, :, None].expand(2, 2, 3, 4)
    cache.write(torch.tensor([2, 0, 1]), rows)
    assert cache.first(3)[0, 0, :, 0].tolist() == [1, 2, 0]
    cache.write(torch.tensor([1]), rows[:, :, :1] + 7)
    cache.write(torch.tensor([9]), rows[:, :, :1] + 9)
    assert cache.at(torch.tensor([9, 1, 0]))[1, 1, :, 3].tolist() == [9, 7, 1]
    cache.write(torch.tensor([], dtype=torch.int64), rows[:, :, :0])
    assert cache.first(2).shape == (2, 2, 2, 4)


def test_a_mask_that_hides_nothing_is_none() -> None:
    assert causal_mask(torch.tensor([4]), torch.tensor([0, 4, 2])) is None
    mask = causal_mask(torch.tensor([0, 1]), torch.tensor([1, 0]))
    assert isinstance(mask, torch.Tensor)
    assert mask.tolist() == [[False, True], [True, True]]


@pytest.mark.parametrize("positions", [[0, 1, 2, 3], [2, 5, 6, 9]])
def test_tokens_in_order_that_see_themselves_need_no_tensor_as_mask(positions: list[int]) -> None:
    queries = torch.tensor(positions)
    assert causal_mask(queries, queries) == "causal"
    assert isinstance(causal_mask(queries, torch.arange(10)), torch.Tensor)
    assert isinstance(causal_mask(queries.flip(0), queries.flip(0)), torch.Tensor)


def test_causal_attention_is_that_of_the_mask_it_stands_for() -> None:
    decoder = Decoder.of(tiny_llama())
    places, hidden_states = decoder.places(torch.arange(len(TOKENS))), decoder.embed(TOKENS)
    layer = decoder.layers[0]
    seen = decoder.keys_values(layer, hidden_states, places)
    lower = torch.ones(len(TOKENS), len(TOKENS), dtype=torch.bool).tril()
    causal, masked = (decoder.attend(layer, hidden_states, places, seen, mask)[0] for mask in ("causal", lower))
    torch.testing.assert_close(causal, masked)


def test_the_decoder_of_a_compressed_model_is_the_model(tiny_model: Callable[..., Path]) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model())
    with torch.inference_mode():
        torch.testing.assert_close(logits(Decoder.of(model), TOKENS), model(TOKENS[None]).logits[0])


def test_a_devices_layers_multiply_on_the_device(tiny_model: Callable[..., Path]) -> None:
    model, device = AutoModelForCausalLM.from_pretrained(tiny_model()), EmulatedDevice()
    attach(model, device)
    before = device.counters.result_bytes
    with torch.inference_mode():
        ours, theirs = logits(Decoder.of(model), TOKENS), model(TOKENS[None]).logits[0]
    assert device.counters.result_bytes > before
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)  # a rounding of an activation may fall differently


def test_another_architecture_is_refused() -> None:
    config = OPTConfig(hidden_size=16, ffn_dim=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=20)
    with pytest.raises(ValueError, match="pruning, exits and speculation take a LlamaForCausalLM, not OPTForCausalLM"):
        Decoder.of(OPTForCausalLM(config))


@pytest.mark.parametrize("bias", ["attention_bias", "mlp_bias"])
def test_biases_are_refused(bias: str) -> None:
    with pytest.raises(ValueError, match=f"take Llamas without biases .*{bias}=True"):
        Decoder.of(tiny_llama(**{bias: True}))


def test_stretched_positions_are_refused() -> None:
    rope = {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}
    with pytest.raises(ValueError, match="with rope type 'default', not 'linear'"):
        Decoder.of(tiny_llama(rope_parameters=rope))
