"""A model folder to compress, and a text to calibrate on."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from tests.conftest import write_tokenizer
from tests.models import tiny_llama

FIRST_LAYER = r"layers\.0\."


def llama_to_compress() -> LlamaForCausalLM:
    return tiny_llama(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    llama_to_compress().save_pretrained(tmp_path / "source")
    write_tokenizer(tmp_path / "source")
    (tmp_path / "source" / "chat_template.jinja").write_text("{{ messages }}")
    return tmp_path / "source"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    words = torch.randint(120, (2100,), generator=torch.Generator().manual_seed(0))
    (tmp_path / "text.txt").write_text(" ".join(f"w{word}" for word in words.tolist()))
    return tmp_path / "text.txt"


def config(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / "config.json").read_text())
    return found
