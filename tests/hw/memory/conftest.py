"""One simulator for all tests of the memory."""

from pathlib import Path

import pytest

from tests.hw.memory.simulation import build


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The subject with its engine, compiled."""
    return build(tmp_path_factory.mktemp("memory"))
