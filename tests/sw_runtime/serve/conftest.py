"""A server in a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sw_runtime.serve.processes import Server, serving


@pytest.fixture(scope="module")
def server(chatting: Path) -> Iterator[Server]:
    """Prompts of 40 tokens, 24 new ones."""
    with serving(chatting, "--prompt-tokens", "40", "--new-tokens", "24") as started:
        yield started
        assert "Traceback" not in started.printed(), "a fault of the server's"
