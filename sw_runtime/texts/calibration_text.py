"""Where a calibration text comes from: a file, the packaged corpora, or a data set."""

from importlib import import_module
from pathlib import Path
from typing import Any

from formats.errors import DependencyError, InputError
from sw_runtime.pretrained import first_sentence
from sw_runtime.texts.corpora import news

DATASETS = "datasets:"
"""Prefix of a name that the package ``datasets`` knows, or of a folder of its kinds of files."""

CHARACTERS = 4_000_000
"""Of a data set, as many are read; a calibration takes far fewer."""


def read_text(source: str | Path) -> str:
    """A text for calibration.

    Parameters
    ----------
    source
        ``"packaged"``, ``"datasets:NAME"`` for the column ``text`` of a data set's split ``train``, or a
        plain-text file.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    DependencyError
        If the package of the packaged text is not installed; or, for a data set, the package ``datasets``.
    InputError
        If a file is not UTF-8, or a data set cannot be read or has no column ``text`` of texts.
    """
    if source == "packaged":
        return news()
    if str(source).startswith(DATASETS):
        return _data_set_text(str(source).removeprefix(DATASETS))
    if not Path(source).is_file():
        raise FileNotFoundError(
            f"no calibration text {str(source)!r}; give a plain-text file, 'packaged' or '{DATASETS}NAME'"
        )
    return read_file(Path(source))


def read_file(path: Path) -> str:
    """The text of a plain-text file.

    Raises
    ------
    FileNotFoundError
        If it is not there, or no file.
    InputError
        If it is not UTF-8.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}; give a plain-text file")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        fault = f"byte {error.start:,} is {error.object[error.start]:#04x}"
        raise InputError(f"{path} is not UTF-8 text ({fault}); convert it, or give a plain-text file") from error


def _data_set_text(name: str) -> str:
    try:
        load_dataset = import_module("datasets").load_dataset
    except ImportError as error:
        raise DependencyError(
            f"{DATASETS}{name} needs the package datasets: pip install 'seedloom[eval]', or give a plain-text file"
        ) from error
    if not name:
        raise InputError(f"{DATASETS!r} names no data set; give {DATASETS}NAME, or a plain-text file")
    text = ""
    try:
        for row in load_dataset(name, split="train", streaming=True):
            text += _text_of(row, name) + "\n"
            if len(text) >= CHARACTERS:
                break
    except InputError:
        raise
    except Exception as error:  # the package has no kinds of its own for a name or a file that it cannot read
        raise InputError(
            f"data set {name!r} cannot be read ({first_sentence(error)}); give another name, or a plain-text file"
        ) from error
    return text


def _text_of(row: dict[str, Any], name: str) -> str:
    match row:
        case {"text": str(text)}:
            return text
        case {"text": other}:
            raise InputError(f"data set {name} has {other!r} in its column 'text'; give a plain-text file")
    raise InputError(f"data set {name} has no column 'text', only {', '.join(row)}; give a plain-text file")
