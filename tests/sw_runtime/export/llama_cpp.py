"""llama.cpp, asked for the greedy tokens after a text."""

from pathlib import Path
from typing import Any

import xllamacpp


def unwanted(tokenizer: Any, rows: int) -> list[int]:
    """Tokens that llama.cpp does not hand out one by one: special ones, none at all, and parts of characters."""
    texts = {number: text for text, number in tokenizer.get_vocab().items() if text.isascii()}
    return [number for number in range(rows) if number not in texts or number in tokenizer.all_special_ids]


def greedy_tokens(file: Path, text: str, count: int, forbidden: list[int]) -> tuple[int, list[int]]:
    """Number of the text's tokens, and the tokens that follow; forbidden ones never do."""
    parameters: Any = xllamacpp.CommonParams()
    parameters.model.path = str(file)
    parameters.n_ctx, parameters.n_parallel, parameters.warmup, parameters.verbosity = 256, 1, False, 0
    parameters.cpuparams.n_threads = 1
    parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32  # as in transformers
    parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED  # it rounds to F16
    answer = xllamacpp.Server(parameters).handle_completions(
        {
            "prompt": text,
            "max_tokens": count,
            "temperature": 0,
            "logprobs": 1,
            "logit_bias": [[token, False] for token in forbidden],
        }
    )
    tokens = [entry["id"] for entry in answer["choices"][0]["logprobs"]["content"]]
    return answer["usage"]["prompt_tokens"], tokens
