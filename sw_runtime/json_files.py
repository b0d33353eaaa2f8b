"""JSON as its standard has it: no NaN and no infinity, read or written; what is wrong is said in one line."""

import json
import math
from pathlib import Path
from typing import Any

from formats.errors import CheckpointError


def read_object(path: Path, remedy: str, infinity: bool = False) -> dict[str, Any]:
    """The object that a JSON file holds.

    Parameters
    ----------
    path
        The file.
    remedy
        What the user can do about a file that is none; ends the message.
    infinity
        Take ``Infinity`` all the same: transformers writes it into some models' configurations.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    CheckpointError
        If the file is no JSON text, is no object, or holds NaN or infinity.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; {remedy}")
    try:
        return parsed_object(path.read_text(encoding="utf-8"), infinity)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); {remedy}") from error


def parsed_object(text: str, infinity: bool = False) -> dict[str, Any]:
    """The object that a JSON text is; ``infinity`` as for ``read_object``.

    Raises
    ------
    ValueError
        If it is no JSON text, is no object, or holds NaN or infinity.
    """

    def refuse(constant: str) -> float:
        if infinity and constant != "NaN":
            return float(constant)
        raise ValueError(f"it holds {constant}, which is no JSON")

    found = json.loads(text, parse_constant=refuse)
    if not isinstance(found, dict):
        raise ValueError(f"it is a {type(found).__name__}, not an object")
    return found


def json_text(value: Any, indent: int = 1, sort_keys: bool = False) -> str:
    """The text of a JSON file; a number that is not finite is a fault of the caller's and fails."""
    return json.dumps(value, indent=indent, sort_keys=sort_keys, allow_nan=False) + "\n"


def figures_text(value: Any) -> str:
    """The text of measured figures, to be printed; one that is not finite is ``null``, as JSON has no name for it."""
    return json.dumps(_finite(value), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(part) for key, part in value.items()}
        case list() | tuple():
            return [_finite(part) for part in value]
    return value
