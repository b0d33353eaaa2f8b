"""A byte-level tokenizer, and models that have it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from sw_runtime.compress.folder import compress
from tests.models import TINY

TEXT = "A model of 1234 words doesn't fit; it'll take what's left — naïve, no?\n\n  def f(x):\n\treturn x  # 56,7 é\n"

VOCABULARY = 320


def byte_level_tokenizer(split: pre_tokenizers.PreTokenizer, ignore_merges: bool = False) -> PreTrainedTokenizerFast:
    """A tokenizer of 318 tokens that splits a text into words as told."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer, tokenizer.decoder = split, decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=318, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator([TEXT] * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


def write_compressed(
    folder: Path, model_class: Any, tokenizer: PreTrainedTokenizerFast | None = None, **settings: Any
) -> Path:
    """Write a tiny model of a class, and its tokenizer, into a folder; returns the compressed folder in it."""
    others = {"vocab_size": VOCABULARY, "initializer_range": 0.3, "max_position_embeddings": 256, "head_dim": 16}
    ends = {"num_hidden_layers": 2, "bos_token_id": 0, "eos_token_id": 1}
    model_class(model_class.config_class(**TINY | others | ends | settings)).save_pretrained(folder / "source")
    found = tokenizer or byte_level_tokenizer(pre_tokenizers.ByteLevel(add_prefix_space=False))
    found.save_pretrained(folder / "source")
    return compress(folder / "source", folder / "compressed", "scaled-2bit", overwrite=True, progress=False)


@pytest.fixture
def compressed(tmp_path: Path) -> Callable[..., Path]:
    """``write_compressed`` in the test's folder."""
    return partial(write_compressed, tmp_path)
