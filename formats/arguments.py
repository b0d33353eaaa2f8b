"""Arguments of callers: one of another type, or out of range, is named before anything is done with it."""

from types import UnionType
from typing import get_args

from formats.errors import InputError


def check_types(**arguments: tuple[object, type | UnionType]) -> None:
    """Refuse arguments that are not of their types.

    Parameters
    ----------
    arguments
        Value and type, by the argument's name. True and False are no numbers.

    Raises
    ------
    InputError
        Naming the first, what it may be and what it is.
    """
    for name, (value, kind) in arguments.items():
        kinds = get_args(kind) or (kind,)
        if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kinds):
            allowed = " or ".join("None" if one is type(None) else one.__name__ for one in kinds)
            raise InputError(f"{name} must be {allowed}, not {value!r}")


def check_text(**arguments: str) -> None:
    """Refuse texts that hold half of a character: they have no UTF-8. Python makes that of bytes that it cannot read.

    Parameters
    ----------
    arguments
        Text by the argument's name.

    Raises
    ------
    InputError
        Naming the first, and where its half of a character is.
    """
    for name, text in arguments.items():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            where = f"character {error.start + 1:,} is {text[error.start]!a}"
            raise InputError(f"{name} is no UTF-8 text ({where}); convert it") from error


def check_integers(**arguments: tuple[object, range | tuple[int, ...]]) -> None:
    """Refuse arguments that are no integers or not among those allowed.

    Parameters
    ----------
    arguments
        Value and what it may be, by the argument's name. True and False are no numbers.

    Raises
    ------
    InputError
        Naming the first, what it may be and what it is.
    """
    for name, (value, allowed) in arguments.items():
        is_integer = isinstance(value, int) and not isinstance(value, bool)
        if not is_integer or value not in allowed:
            kind = "" if is_integer else "an integer, "
            raise InputError(f"{name} must be {kind}{_in_words(allowed)}, not {value!r}")


def _in_words(allowed: range | tuple[int, ...]) -> str:
    if isinstance(allowed, range):
        step = "" if allowed.step == 1 else f"a multiple of {allowed.step} from "
        return f"{step}{allowed[0]} to {allowed[-1]}"
    *others, last = map(str, allowed)
    return f"{', '.join(others)} or {last}"
