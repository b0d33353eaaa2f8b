"""A tiny compressed model that a program can be compiled for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import OTHER_FORMATS


@pytest.fixture
def scaled_folder(tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Without paper formats, which have no scale per row."""
    for name, format_name in list(OTHER_FORMATS.items()):
        if format_name.startswith("paper"):
            monkeypatch.delitem(OTHER_FORMATS, name)
    return tiny_model()
