"""A chat as the tokens that a model was taught to read."""

from typing import Any

from jinja2 import TemplateError

from formats.arguments import check_text
from formats.errors import InputError


def chat_tokens(tokenizer: Any, messages: list[dict[str, str]]) -> list[int]:
    """The tokens of a chat, up to where the model's reply begins.

    Parameters
    ----------
    tokenizer
        A transformers tokenizer.
    messages
        ``role`` and ``content`` of each.

    Raises
    ------
    InputError
        If the tokenizer has no chat template, it refuses the messages, or one is no UTF-8 text.
    """
    if tokenizer.chat_template is None:
        raise InputError(
            "this model has no chat template; ask for the continuation of a text: /v1/completions, `seedloom generate`"
        )
    for message in messages:
        check_text(message=message["content"])
    try:
        tokens: list[int] = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=False
        )
    except TemplateError as error:
        raise InputError(f"the model's chat template does not take these messages ({error}); change them") from error
    return tokens
