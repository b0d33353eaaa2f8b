"""The most likely continuation of a text."""

from typing import Any


def continue_text(model: Any, tokenizer: Any, prompt: str, tokens: int, streamer: Any | None = None) -> list[int]:
    """At most ``tokens`` new tokens, the likeliest each time, without the prompt's.

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
    """
    inputs = tokenizer(prompt, return_tensors="pt")
    output = model.generate(**inputs, max_new_tokens=tokens, do_sample=False, streamer=streamer)
    ids: list[int] = output[0, inputs["input_ids"].shape[1] :].tolist()
    return ids
