"""A tokenizer as llama.cpp takes it: byte-level pair encodings, each known by how it splits a text into words."""

import json
from pathlib import Path
from typing import Any

import gguf

from formats.errors import InputError
from sw_runtime.pretrained import load_tokenizer

WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

SPLITS = {
    ("ByteLevel",): "gpt-2",
    ("Digits", "ByteLevel"): "smollm",
    (WORDS % "{1,3}", "bytes"): "llama-bpe",
    (WORDS % "", "bytes"): "qwen2",
}
"""llama.cpp's names of the ways to split a text, by the steps of the pre-tokenizer in tokenizer.json."""

WHOLE_WORDS_FIRST = ("llama-bpe",)
"""Where llama.cpp looks a word up whole before it merges its bytes."""


def add_tokenizer(writer: Any, folder: Path, rows: int) -> None:
    """Write the tokenizer of a folder into a GGUF file.

    Parameters
    ----------
    writer
        A ``gguf.GGUFWriter``.
    folder
        The model's folder.
    rows
        Rows of the model's embedding; those beyond the tokenizer's tokens get names of their own.

    Raises
    ------
    InputError
        If llama.cpp has no such tokenizer.
    CheckpointError
        If the folder has no tokenizer, or a damaged one.
    """
    tokenizer = load_tokenizer(folder)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_split(folder, tokenizer))
    tokens, types = _tokens(tokenizer, rows)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    special = gguf.SpecialVocab(folder, load_merges=True, n_vocab=rows)
    added, plain = tokenizer("a").input_ids, tokenizer("a", add_special_tokens=False).input_ids
    special.add_special_token = {"bos": added[: -len(plain)] != [] and added[0] == tokenizer.bos_token_id}
    special.add_to_gguf(writer, quiet=True)


def _split(folder: Path, tokenizer: Any) -> str:
    """llama.cpp's name of how a tokenizer splits a text; transformers may have changed what tokenizer.json says."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content = json.loads(backend.to_str()) if backend else {"model": {}}
    model, normalizer = content["model"], content.get("normalizer")
    name = SPLITS.get(tuple(_step(step) for step in _steps(content.get("pre_tokenizer"))))
    same = (
        model.get("type") == "BPE"
        and not model.get("byte_fallback")
        and bool(model.get("ignore_merges")) == (name in WHOLE_WORDS_FIRST)
        and (normalizer is None or normalizer.get("type") == "NFC")
    )
    if name is None or not same:
        raise InputError(
            f"llama.cpp has no tokenizer like that of {folder}; export takes byte-level pair encodings that split "
            f"a text as {', '.join(SPLITS.values())} do"
        )
    if not model["merges"]:
        raise InputError(
            f"the tokenizer of {folder} merges no bytes, and llama.cpp reads none like that; export --to dense"
        )
    return name


def _steps(pre_tokenizer: dict[str, Any] | None) -> list[dict[str, Any]]:
    if pre_tokenizer is None:
        return []
    if pre_tokenizer["type"] == "Sequence":
        return [part for step in pre_tokenizer["pretokenizers"] for part in _steps(step)]
    return [pre_tokenizer]


def _step(step: dict[str, Any]) -> str:
    """A step of a pre-tokenizer in one word, or its regular expression; empty where llama.cpp has no such step."""
    match step:
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}:
            return "ByteLevel"
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}:
            return "bytes"
        case {"type": "Digits", "individual_digits": True}:
            return "Digits"
        case {"type": "Split", "pattern": {"Regex": str(pattern)}, "behavior": "Isolated", "invert": False}:
            return pattern
    return ""


def _tokens(tokenizer: Any, rows: int) -> tuple[list[str], list[int]]:
    """The text and the kind of every row's token. Added tokens without a row are left out: no model can read them."""
    added = tokenizer.added_tokens_decoder
    texts = {number: text for text, number in tokenizer.get_vocab().items()}
    beyond = [number for number in texts if number >= rows and number not in added]
    if beyond:
        raise InputError(f"the tokenizer's token {min(beyond)} has no row in the embedding of {rows} rows")
    kinds = dict.fromkeys(texts, gguf.TokenType.NORMAL)
    for number, token in added.items():
        kinds[number] = gguf.TokenType.CONTROL if token.special else gguf.TokenType.USER_DEFINED
    tokens = [texts.get(number, f"[PAD{number}]") for number in range(rows)]
    return tokens, [kinds.get(number, gguf.TokenType.UNUSED) for number in range(rows)]
