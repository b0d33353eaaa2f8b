"""Arguments of the public functions: one of another type is named before anything is done with it."""

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
