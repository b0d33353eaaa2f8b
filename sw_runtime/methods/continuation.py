"""The most likely continuation of a text."""

import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from formats.errors import InputError
from sw_runtime.nn.device_linear import DeviceLinear


def continue_text(
    model: Any, tokenizer: Any, prompt: str, tokens: int, streamer: Any | None = None, greedy: bool = True
) -> list[int]:
    """At most ``tokens`` new tokens, without the prompt's.

    Parameters
    ----------
    model, tokenizer
        A transformers model, on the host or attached to a device, and its tokenizer.
    prompt
        Text to continue.
    tokens
        New tokens at most.
    streamer
        A transformers streamer that takes the tokens as they are made.
    greedy
        Take the likeliest token each time, where the model's generation configuration may ask for sampling. All
        else that it asks for is done.

    Raises
    ------
    InputError
        If the model's generation configuration holds a value that transformers refuses.
    """
    inputs = tokenizer(prompt, return_tensors="pt")
    sampling = {"do_sample": False} if greedy else {}
    with _settings_judged():
        output = model.generate(
            **inputs,
            **sampling,
            max_new_tokens=tokens,
            streamer=streamer,
            tokenizer=tokenizer,  # for stop_strings
            return_dict_in_generate=False,
        )
    ids: list[int] = output[0, inputs["input_ids"].shape[1] :].tolist()
    return ids


@contextmanager
def _settings_judged() -> Iterator[None]:
    """What transformers' own generation raises is about its settings; a model's and a device's errors pass."""
    try:
        yield
    except (ValueError, TypeError) as error:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        from_streamer = isinstance(error, UnicodeError)  # which writes to a terminal without these characters
        if from_streamer or not frame.f_globals["__name__"].startswith("transformers.generation"):
            raise
        raise InputError(f"generation_config.json cannot be followed ({error}); put the entry right") from error


def take_tokens(made: Iterable[int], model: Any, prompt: Tensor, tokens: int, streamer: Any | None = None) -> list[int]:
    """The first of endless tokens: to the model's end of text, or ``tokens`` of them.

    Parameters
    ----------
    made
        Tokens that follow the prompt.
    model
        Whose generation configuration names the tokens that end a text.
    prompt
        int64 [T], for the streamer.
    tokens, streamer
        As ``continue_text``.
    """
    ends = model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    ids: list[int] = []
    if streamer:
        streamer.put(prompt)
    with torch.no_grad():
        for token in made:
            ids.append(token)
            if streamer:
                streamer.put(torch.tensor([token]))
            if len(ids) == tokens or token in ends:
                break
    if streamer:
        streamer.end()
    return ids


def tokens_on_device(model: Any, prompt: Tensor) -> Iterator[int]:
    """Endless tokens, each chosen by the device's router: one answer comes back instead of the head's logits.

    Logits that round to the same key are equal, and the first of them is taken. What a generation
    configuration does to logits, such as a penalty, needs them on the host and is not done.

    Parameters
    ----------
    model
        Attached to a device with a router.
    prompt
        int64 [T].

    Raises
    ------
    InputError
        If the model's head is not compressed, not attached, or the device has no router.
    """
    head = model.get_output_embeddings()
    if not isinstance(head, DeviceLinear):
        raise InputError("the model's head is not compressed, so its logits are made on the host; use continue_text")
    inputs, cache = prompt[None], DynamicCache(config=model.config)
    while True:
        hidden_states = model.base_model(input_ids=inputs, cache=cache).last_hidden_state
        token = head.argmax(hidden_states[0, -1])
        yield token
        inputs = torch.tensor([[token]])
