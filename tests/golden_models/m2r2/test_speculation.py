from dataclasses import replace
from itertools import islice

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from golden_models.decoder import Decoder
from golden_models.m2r2.residuals import Adapter
from golden_models.m2r2.speculation import greedy, speculation_rounds
from tests.golden_models.m2r2.models import PROMPT, decoder_of_six_layers, random_adapters
from tests.models import tiny_llama

NEW = 12
NOTHING = Adapter(torch.zeros(64, 4), torch.zeros(4, 64))


def test_greedy_is_that_of_transformers() -> None:
    model = tiny_llama()
    expected = model.generate(PROMPT[None], max_new_tokens=NEW, do_sample=False, eos_token_id=None, pad_token_id=0)
    assert greedy(Decoder.from_transformers(model), PROMPT, NEW) == expected[0, 6:].tolist()


@settings(max_examples=8, deadline=None)
@given(exit_layer=st.integers(1, 5), drafts=st.integers(1, 4), seed=st.integers(0, 99))
def test_whatever_the_adapters_the_tokens_are_those_of_greedy_decoding(exit_layer: int, drafts: int, seed: int) -> None:
    decoder = decoder_of_six_layers()
    rounds = islice(speculation_rounds(decoder, random_adapters(exit_layer, seed), PROMPT, drafts), 4)
    tokens = [token for found in rounds for token in found.tokens]
    assert tokens == greedy(decoder, PROMPT, len(tokens))


def test_rounds_say_what_was_drafted_wanted_and_accepted() -> None:
    rounds = list(islice(speculation_rounds(decoder_of_six_layers(), [NOTHING] * 4, PROMPT, 3), 12))
    for found in rounds:
        accepted = 0
        while accepted < 3 and found.drafts[accepted] == found.targets[accepted]:
            accepted += 1
        assert found.accepted == accepted
        assert found.tokens == found.targets[: accepted + 1].tolist()
    assert 0 < sum(found.accepted for found in rounds) < 3 * len(rounds)  # some are right, some are not


def test_when_later_layers_add_nothing_every_draft_is_accepted() -> None:
    decoder = decoder_of_six_layers()
    idle = tuple(replace(layer, output=layer.output * 0, down=layer.down * 0) for layer in decoder.layers[3:])
    decoder = replace(decoder, layers=decoder.layers[:3] + idle)
    rounds = islice(speculation_rounds(decoder, [NOTHING] * 3, PROMPT, 3), 3)
    assert [found.accepted for found in rounds] == [3, 3, 3]
