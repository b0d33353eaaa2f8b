"""The search kernel, ``search.c`` and what it includes, compiled for this processor when it is first needed."""

import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from formats.block import BlockFormat
from formats.errors import DependencyError, InputError
from sw_runtime.cache import cache_folder, processor

SOURCE = Path(__file__).with_name("search.c")
FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
"""Contraction to fused multiply-adds is for the scan, whose margin covers it; the source keeps it
out of the exact error. Nothing else lets the compiler change a floating-point result."""


class NoCompilerError(DependencyError):
    """There is no C compiler on this machine."""


def compiler() -> list[str]:
    """The C compiler's command: ``$CC``, or the first of cc, gcc, clang on the path.

    Raises
    ------
    NoCompilerError
        If there is none, naming the remedy.
    """
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return [path]
    raise NoCompilerError(
        "no C compiler found; the seed search needs one: install gcc (Debian: apt install gcc) or set CC to a compiler"
    )


def _macros(block_format: BlockFormat) -> list[str]:
    values = {
        "BLOCK_SIZE": block_format.block_size,
        "LATENT_DIM": block_format.latent_dim,
        "LFSR_BITS": block_format.lfsr_bits,
        "TAP_MASK": sum(1 << tap for tap in block_format.taps),
        "EXPONENT_BITS": block_format.exponent_bits,
        "COEFFICIENT_BITS": block_format.coefficient_bits,
        "ENTRY_BITS": block_format.entry_bits,
        "ODD": int(block_format.odd_coefficients),
    }
    return [f"-D{name}={value}" for name, value in values.items()]


def build(block_format: BlockFormat) -> Path:
    """Path of the search kernel's shared library for one format; as ``compiled_library``."""
    return compiled_library(SOURCE, _macros(block_format))


def compiled_library(source: Path, options: list[str]) -> Path:
    """Path of the shared library of a C file in this folder, compiled unless the cache has it.

    The library appears under its name only when complete, so two processes may build at once.

    Raises
    ------
    DependencyError
        If there is no compiler, or it fails, with what it said.
    """
    command = [*compiler(), *FLAGS, *options]
    sources = [
        path.read_text()
        for path in sorted(path for path in source.parent.iterdir() if path.suffix in (".c", ".h", ".inc"))
    ]
    identity = "\n".join([*sources, *command, processor()])
    library = cache_folder("kernels") / f"{source.stem}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.so"
    if library.exists():
        return library
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        output = Path(folder) / library.name
        try:
            result = subprocess.run([*command, str(source), "-o", str(output), "-lm"], capture_output=True, text=True)
        except OSError as error:
            raise DependencyError(
                f"cannot run the C compiler {command[0]!r} ({error}); install gcc or set CC"
            ) from error
        if result.returncode:
            raise DependencyError(
                f"{command[0]!r} cannot compile {source.name}; try another compiler with CC:\n{result.stderr}"
            )
        os.replace(output, library)
    return library


@cache
def encode_blocks(block_format: BlockFormat) -> Any:
    """The compiled ``encode_blocks(count, targets, metric, bucketed, rounded, words)`` of one format; see ``search.c``.

    Raises
    ------
    InputError
        If the kernel cannot search the format.
    DependencyError
        If it cannot be compiled.
    """
    if block_format.latent_dim >= block_format.block_size or block_format.word_bits > 62:
        raise InputError(
            f"the search takes formats of fewer coefficients than weights and at most 62 bits a word, "
            f"{block_format.name} has {block_format.latent_dim} for {block_format.block_size} "
            f"and {block_format.word_bits} bits"
        )
    function = ctypes.CDLL(str(build(block_format))).encode_blocks
    function.argtypes = [ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
    function.restype = ctypes.c_int
    return function
