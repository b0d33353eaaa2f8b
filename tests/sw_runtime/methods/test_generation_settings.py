"""What generation_config.json asks for is done, or refused by name."""

from typing import Any

import pytest
from transformers import GenerationConfig

from formats.errors import InputError
from sw_runtime.methods.generation_settings import check_settings, most_tokens

OPTION = "--argmax-on-device"
USUAL: dict[str, Any] = {
    "bos_token_id": 1,
    "eos_token_id": [2, 3],
    "max_length": 20,
    "num_beams": 1,
    "repetition_penalty": 1.0,
    "temperature": 0.6,
    "output_attentions": True,
    "return_dict_in_generate": True,
}


@pytest.mark.parametrize("option", [OPTION, None])
def test_settings_that_change_no_token_are_taken(option: str | None) -> None:
    check_settings(GenerationConfig(**USUAL), option, greedy=False)


def test_sampling_is_left_to_transformers_or_given_up_by_a_flag() -> None:
    sampling = GenerationConfig(do_sample=True, temperature=0.6, top_p=0.9)
    check_settings(sampling, None, greedy=False)
    check_settings(sampling, OPTION, greedy=True)
    with pytest.raises(
        InputError, match=r"asks for sampling, but --argmax-on-device takes the likeliest token; give --greedy"
    ):
        check_settings(sampling, OPTION, greedy=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [("repetition_penalty", 5.0), ("no_repeat_ngram_size", 2), ("min_new_tokens", 3), ("stop_strings", ["x"])],
)
def test_what_a_method_does_not_do_is_refused_by_name(name: str, value: Any) -> None:
    settings = GenerationConfig(**{name: value})
    check_settings(settings, None, greedy=False)
    with pytest.raises(
        InputError,
        match=rf"asks for {name} .*, which {OPTION} does not do; leave out {OPTION}, or delete the entry",
    ):
        check_settings(settings, OPTION, greedy=True)


@pytest.mark.parametrize("option", [OPTION, None])
def test_several_texts_side_by_side_are_refused(option: str | None) -> None:
    with pytest.raises(InputError, match=r"asks for num_beams 4, but texts are made one by one; delete the entry"):
        check_settings(GenerationConfig(num_beams=4), option, greedy=True)


@pytest.mark.parametrize(
    ("settings", "given", "found"),
    [
        ({}, None, 32),
        ({}, 7, 7),
        ({"max_new_tokens": 5}, None, 5),
        ({"max_new_tokens": 5}, 7, 7),
        ({"max_length": 20}, None, 10),
        ({"max_new_tokens": 500}, None, 54),
    ],
)
def test_the_callers_number_of_tokens_comes_before_the_settings(
    settings: dict[str, int], given: int | None, found: int
) -> None:
    assert most_tokens(GenerationConfig(**settings), given, prompt=10, positions=64) == found


def test_a_model_without_positions_has_room_for_all() -> None:
    assert most_tokens(GenerationConfig(), 5000, prompt=10, positions=None) == 5000


@pytest.mark.parametrize(
    ("given", "prompt", "said"),
    [
        (8, 60, "the prompt has 60 tokens and 8 are to follow, and the model has 64 positions; give a shorter prompt"),
        (None, 64, "the prompt has 64 tokens and 1 are to follow, and the model has 64 positions; give a shorter"),
        (None, 20, r"has 20 tokens, and generation_config\.json ends a text at 20; give a shorter prompt, or --tokens"),
    ],
)
def test_a_prompt_that_leaves_no_room_is_refused(given: int | None, prompt: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        most_tokens(GenerationConfig(max_length=20), given, prompt, positions=64)
