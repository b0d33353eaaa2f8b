"""llama.cpp splits a text into the tokens that the folder's own tokenizer gives."""

from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer, Sequence, Split
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast

from formats.errors import InputError
from sw_runtime.export.folder import export
from sw_runtime.export.gguf_tokenizer import WORDS
from tests.conftest import write_tokenizer
from tests.sw_runtime.export.conftest import TEXT, VOCABULARY, byte_level_tokenizer
from tests.sw_runtime.export.llama_cpp import greedy_tokens, unwanted

WORD_BYTES = ByteLevel(add_prefix_space=False)
BYTES = ByteLevel(add_prefix_space=False, use_regex=False)


def split_by(pattern: str) -> PreTokenizer:
    return Sequence([Split(Regex(pattern), "isolated"), BYTES])


@pytest.mark.parametrize(
    ("name", "split", "ignore_merges"),
    [
        ("gpt-2", WORD_BYTES, False),
        ("smollm", Sequence([Digits(individual_digits=True), WORD_BYTES]), False),
        ("llama-bpe", split_by(WORDS % "{1,3}"), True),
        ("qwen2", split_by(WORDS % ""), False),
    ],
)
def test_ways_to_split_are_known_by_name_and_give_the_same_number_of_tokens(
    name: str, split: PreTokenizer, ignore_merges: bool, compressed: Callable[..., Path], tmp_path: Path
) -> None:
    folder = compressed(LlamaForCausalLM, byte_level_tokenizer(split, ignore_merges))
    file = export(folder, tmp_path / "model.gguf", "gguf")
    assert gguf.GGUFReader(file).get_field("tokenizer.ggml.pre").contents() == name
    tokenizer = AutoTokenizer.from_pretrained(folder)
    count, _ = greedy_tokens(file, TEXT, 1, unwanted(tokenizer, VOCABULARY))
    assert count == len(tokenizer(TEXT).input_ids)


def test_a_beginning_that_the_tokenizer_adds_llama_cpp_adds_too(
    compressed: Callable[..., Path], tmp_path: Path
) -> None:
    tokenizer = byte_level_tokenizer(WORD_BYTES)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 0)])
    file = export(compressed(LlamaForCausalLM, tokenizer), tmp_path / "model.gguf", "gguf")
    reader = gguf.GGUFReader(file)
    assert reader.get_field("tokenizer.ggml.add_bos_token").contents() is True
    assert reader.get_field("tokenizer.ggml.bos_token_id").contents() == 0


def test_rows_beyond_the_tokens_and_added_tokens_keep_their_numbers(
    compressed: Callable[..., Path], tmp_path: Path
) -> None:
    tokenizer = byte_level_tokenizer(WORD_BYTES)
    tokenizer.add_tokens(["<tool>"])
    tokenizer.chat_template = "{{ messages }}"
    reader = gguf.GGUFReader(export(compressed(LlamaForCausalLM, tokenizer), tmp_path / "model.gguf", "gguf"))
    tokens, types = (reader.get_field(f"tokenizer.ggml.{name}").contents() for name in ("tokens", "token_type"))
    assert (len(tokens), tokens[0], tokens[318:]) == (320, "<s>", ["<tool>", "[PAD319]"])
    assert types[0] == types[1] == gguf.TokenType.CONTROL
    assert types[318:] == [gguf.TokenType.USER_DEFINED, gguf.TokenType.UNUSED]
    assert reader.get_field("tokenizer.chat_template").contents() == "{{ messages }}"


def word_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    write_tokenizer(folder)
    return AutoTokenizer.from_pretrained(folder)


def test_a_tokenizer_that_llama_cpp_does_not_have_is_refused(compressed: Callable[..., Path], tmp_path: Path) -> None:
    message = "llama.cpp has no tokenizer like that of .*; export takes byte-level pair encodings that split a text as"
    with pytest.raises(InputError, match=message):
        export(compressed(LlamaForCausalLM, word_tokenizer(tmp_path / "words")), tmp_path / "model.gguf", "gguf")


def test_a_tokenizer_without_merges_is_refused(compressed: Callable[..., Path], tmp_path: Path) -> None:
    alphabet = sorted(ByteLevel.alphabet())
    letters = Tokenizer(models.BPE({letter: token for token, letter in enumerate(alphabet)}, merges=[]))
    letters.pre_tokenizer = WORD_BYTES
    folder = compressed(LlamaForCausalLM, PreTrainedTokenizerFast(tokenizer_object=letters))
    with pytest.raises(InputError, match=r"merges no bytes, and llama\.cpp reads none like that; export --to dense"):
        export(folder, tmp_path / "model.gguf", "gguf")


@pytest.mark.parametrize(
    ("split", "ignore_merges"),
    [(WORD_BYTES, True), (split_by(r"\w+"), False), (pre_tokenizers.ByteLevel(add_prefix_space=True), False)],
)
def test_a_way_to_split_that_llama_cpp_does_not_have_is_refused(
    split: PreTokenizer, ignore_merges: bool, compressed: Callable[..., Path], tmp_path: Path
) -> None:
    folder = compressed(LlamaForCausalLM, byte_level_tokenizer(split, ignore_merges))
    with pytest.raises(InputError, match=r"split a text as gpt-2, smollm, llama-bpe, qwen2 do"):
        export(folder, tmp_path / "model.gguf", "gguf")


def test_added_tokens_without_a_row_are_left_out_and_others_refused(
    compressed: Callable[..., Path], tmp_path: Path
) -> None:
    tokenizer = byte_level_tokenizer(WORD_BYTES)
    tokenizer.add_tokens(["<a>", "<b>", "<c>"])
    reader = gguf.GGUFReader(export(compressed(LlamaForCausalLM, tokenizer), tmp_path / "model.gguf", "gguf"))
    assert reader.get_field("tokenizer.ggml.tokens").contents()[318:] == ["<a>", "<b>"]
    with pytest.raises(InputError, match="the tokenizer's token 310 has no row in the embedding of 310 rows"):
        export(compressed(LlamaForCausalLM, vocab_size=310), tmp_path / "other.gguf", "gguf")
