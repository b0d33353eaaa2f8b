"""C files of this package as shared libraries, compiled for this processor when they are first needed."""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from formats.errors import DependencyError
from sw_runtime.cache import cache_folder, processor

FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
"""Contraction to fused multiply-adds is for the scan, whose margin covers it; the source keeps it
out of the exact error. Nothing else lets the compiler change a floating-point result."""

SHARED_THREADS = ("-fopenmp",) if sys.platform == "linux" else ()
"""Threads inside a call: those that torch has, since the library finds torch's OpenMP in the process. Elsewhere one."""


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
    raise NoCompilerError("no C compiler found: install gcc (Debian: apt install gcc) or set CC to a compiler")


def has_compiler() -> bool:
    """Whether there is one."""
    try:
        return bool(compiler())
    except NoCompilerError:
        return False


def compiled_library(source: Path, options: list[str]) -> Path:
    """Path of the shared library of a C file, which may include its neighbours, compiled unless the cache has it.

    The library appears under its name only when complete, so two processes may build at once.

    Raises
    ------
    DependencyError
        If there is no compiler, or it fails, with what it said.
    """
    command = [*compiler(), *FLAGS, *options]
    sources = [
        path.read_text(encoding="utf-8")
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
