"""The file of the Triton kernels as a module that Triton's interpreter runs: no test needs a GPU."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).parents[3] / "sw_runtime" / "host" / "triton_trellis.py"


def kernels(source: Path = SOURCE, interpreted: bool = True) -> ModuleType:
    """A module of its own. Triton decides when it is loaded whether its kernels are interpreted or compiled."""
    specification = spec_from_file_location(source.stem, source)
    assert specification is not None
    assert specification.loader is not None
    module = module_from_spec(specification)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1" if interpreted else "0")
        specification.loader.exec_module(module)
    return module
