"""Where a calibration text comes from: a file, the packaged corpora, or a data set."""

from importlib import import_module
from pathlib import Path

from formats.errors import DependencyError, InputError
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
        If a file is not UTF-8, or a data set has no column ``text``.
    """
    if source == "packaged":
        return news()
    if str(source).startswith(DATASETS):
        return _data_set_text(str(source).removeprefix(DATASETS))
    if not Path(source).is_file():
        raise FileNotFoundError(
            f"no calibration text {str(source)!r}; give a plain-text file, 'packaged', '{DATASETS}NAME' or 'self'"
        )
    return read_file(Path(source))


def read_file(path: Path) -> str:
    """The text of a plain-text file.

    Raises
    ------
    InputError
        If it is not UTF-8.
    """
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
    rows = load_dataset(name, split="train", streaming=True)
    text = ""
    for row in rows:
        if "text" not in row:
            raise InputError(f"data set {name} has no column 'text', only {', '.join(row)}; give a plain-text file")
        text += row["text"] + "\n"
        if len(text) >= CHARACTERS:
            break
    return text
