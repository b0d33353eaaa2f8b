"""What a model's ``generation_config.json`` asks for, and which way of making tokens does it."""

from typing import Any

from formats.errors import InputError
from formats.plurals import number_of

TOKENS = 32
"""New tokens at most, where nobody says how many."""

SAMPLING = ("temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
"""Entries that matter only where tokens are drawn (``do_sample``)."""

DONE = (
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "decoder_start_token_id",
    "max_length",
    "max_new_tokens",
    "length_penalty",
    "early_stopping",
    "use_cache",
    "cache_implementation",
    "transformers_version",
    "do_sample",
    *SAMPLING,
)
"""Entries that a method honours, that change no token, or that are judged apart."""

ONE_TEXT = ("num_beams", "num_beam_groups", "num_return_sequences")
"""Entries that ask for several texts side by side."""


def check_settings(settings: Any, option: str | None, greedy: bool) -> None:
    """Refuse what a way of making tokens does not do.

    Parameters
    ----------
    settings
        A model's ``generation_config``.
    option
        The option that chooses a method, which takes the likeliest token each time; None where transformers
        generates, which does all but several texts side by side.
    greedy
        Whether the likeliest token is wanted, whatever the settings say of sampling.

    Raises
    ------
    InputError
        Naming the entry and what to do about it.
    """
    asked = _asked_for(settings)
    for name in ONE_TEXT:
        if name in asked:
            raise InputError(
                f"generation_config.json asks for {name} {asked[name]}, but texts are made one by one; delete the entry"
            )
    if option is None:
        return
    if asked.get("do_sample") and not greedy:
        raise InputError(
            f"generation_config.json asks for sampling, but {option} takes the likeliest token; give --greedy as well"
        )
    for name in asked:
        if name not in DONE:
            raise InputError(
                f"generation_config.json asks for {name} {asked[name]}, which {option} does not do; "
                f"leave out {option}, or delete the entry"
            )


def most_tokens(settings: Any, given: int | None, prompt: int, positions: int | None) -> int:
    """How many tokens may follow a prompt: as given, else as the settings say, else ``TOKENS``.

    Parameters
    ----------
    settings
        A model's ``generation_config``: its limit is cut to the model's positions.
    given
        What the caller asks for.
    prompt
        Tokens of the prompt.
    positions
        Of the model; None where it has no limit.

    Raises
    ------
    InputError
        If there is no room for what is given, or for one token.
    """
    room = None if positions is None else positions - prompt
    wanted = given or settings.max_new_tokens
    if wanted is None:
        wanted = TOKENS if settings.max_length is None else settings.max_length - prompt
    if given is None and room is not None:
        wanted = min(wanted, room)
    if room is not None and max(wanted, 1) > room:
        raise InputError(
            f"the prompt has {number_of(prompt, 'token')} and {max(wanted, 1)} are to follow, and the model "
            f"has {positions} positions; give a shorter prompt or fewer --tokens"
        )
    if wanted < 1:
        raise InputError(
            f"the prompt has {number_of(prompt, 'token')}, and generation_config.json ends a text at "
            f"{settings.max_length}; give a shorter prompt, or --tokens"
        )
    return wanted


def _asked_for(settings: Any) -> dict[str, Any]:
    """Entries that are not as they are where nobody says anything."""
    usual = settings._get_default_generation_params()
    return {
        name: value
        for name, value in vars(settings).items()
        if not name.startswith("_") and value not in (None, False, usual.get(name)) and not _is_output(name)
    }


def _is_output(name: str) -> bool:
    return name.startswith("output_") or name == "return_dict_in_generate"
