import torch

from golden_models.decoder import Decoder
from golden_models.layers import causal_mask
from tests.models import tiny_llama

TOKENS = torch.tensor([5, 17, 3, 99, 42, 7])


def test_logits_are_those_of_transformers() -> None:
    model = tiny_llama()
    with torch.inference_mode():
        torch.testing.assert_close(Decoder.from_transformers(model)(TOKENS), model(TOKENS[None]).logits[0])


def test_a_layers_matrices_are_those_of_its_linear_layers_in_their_order() -> None:
    model = tiny_llama()
    for layer, theirs in zip(Decoder.from_transformers(model).layers, model.model.layers, strict=True):
        linears = [module for module in theirs.modules() if isinstance(module, torch.nn.Linear)]
        for matrix, linear in zip(layer.matrices, linears, strict=True):
            assert torch.equal(matrix, linear.weight)


def test_a_token_after_kept_keys_and_values_gets_the_logits_of_the_whole_sequence() -> None:
    decoder = Decoder.from_transformers(tiny_llama())
    positions = torch.arange(6)
    before, last = decoder.embed(TOKENS[:5]), decoder.embed(TOKENS[5:])
    for layer in decoder.layers:
        kept = decoder.keys_values(layer, before, positions[:5])
        seen = kept.then(decoder.keys_values(layer, last, positions[5:]))
        before, _ = decoder.attend(layer, before, positions[:5], kept, causal_mask(positions[:5], positions[:5]))
        last, _ = decoder.attend(layer, last, positions[5:], seen, causal_mask(positions[5:], positions))
        before, last = decoder.feed_forward(layer, before), decoder.feed_forward(layer, last)
    torch.testing.assert_close(decoder.logits(last)[0], decoder(TOKENS)[5])
