"""A compressed folder as something that other programs read."""

from pathlib import Path

import torch

from formats.arguments import check_types
from formats.errors import InputError
from sw_runtime.export.dense import export_dense
from sw_runtime.export.gguf_file import export_gguf

TARGETS = ("dense", "gguf")

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def export(folder: str | Path, output: str | Path, to: str = "dense", dtype: str | None = None) -> Path:
    """Write a compressed model's decoded weights as an ordinary model.

    Parameters
    ----------
    folder
        The compressed folder.
    output
        What to write; it may not be there.
    to
        ``"dense"``: a Hugging Face folder that transformers loads without seedloom. ``"gguf"``: a file for
        llama.cpp, every weight exact.
    dtype
        ``"float32"``, ``"bfloat16"`` or ``"float16"``, for a dense folder; that of the folder's ``config.json`` when
        not given. The weights equal, bit by bit, those that the compressed model multiplies with in this
        dtype; float32 keeps every bit that is decoded.

    Returns
    -------
    ``output``.

    Raises
    ------
    InputError
        If an argument is of another type, there is no such target or dtype, or llama.cpp has no such architecture or
        tokenizer.
    FileExistsError
        If ``output`` is there.
    FileNotFoundError, CheckpointError
        If the folder is not a complete compressed model.
    OSError
        If ``output`` cannot be written.
    """
    check_types(folder=(folder, str | Path), output=(output, str | Path), to=(to, str), dtype=(dtype, str | None))
    if to not in TARGETS:
        raise InputError(f"a folder is exported to {' or '.join(TARGETS)}, not {to!r}")
    if to == "dense" and Path(output).suffix == ".gguf":
        raise InputError(
            f"{output} is a GGUF file's name, and --to dense writes a folder; add --to gguf, or name a folder"
        )
    if dtype is not None and dtype not in DTYPES:
        raise InputError(f"dense weights are {', '.join(DTYPES)}, not {dtype!r}")
    if to == "gguf" and dtype is not None:
        raise InputError("a GGUF file is written as float32, which is exact; leave out the dtype")
    if to == "gguf":
        export_gguf(Path(folder), Path(output))
    else:
        export_dense(Path(folder), Path(output), None if dtype is None else DTYPES[dtype])
    return Path(output)
