"""A folder of a small engine, written once."""

from pathlib import Path

import pytest

from formats.engine import EngineParameters
from sw_runtime.takeaway.folder import write_verilog

SMALL = EngineParameters(("trellis-4bit",), port_bytes=8, maximum_columns=64, maximum_rows=64)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``seedloom verilog`` writes for the small engine; not to be written to."""
    path = tmp_path_factory.mktemp("verilog") / "engine"
    write_verilog(SMALL, path)
    return path
