"""A tiny compressed model that chats, and a server of it in a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from tests.conftest import write_tiny_model, write_tokenizer
from tests.sw_runtime.serve.processes import Server, serving

TEMPLATE = (
    "{% for message in messages %}{% if message.role == 'system' %}{{ raise_exception('no\nsystem') }}{% endif %}"
    "{{ message.content }} {% endfor %}"
)
"""Joins the messages, and takes none of the system's."""


@pytest.fixture(scope="session")
def chatting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder."""
    folder = tmp_path_factory.mktemp("serve") / "tiny"
    write_tiny_model(folder)
    write_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def server(chatting: Path) -> Iterator[Server]:
    """Prompts of 40 tokens, 24 new ones."""
    with serving(chatting, "--prompt-tokens", "40", "--new-tokens", "24") as started:
        yield started
        assert "Traceback" not in started.printed(), "a fault of the server's"
