"""Write a tiny Llama of random weights, to try every command within seconds.

    python examples/tiny_model.py model

Its tokens are bytes, so it takes any text. What it writes is noise.
"""

import sys

import seedloom  # noqa: F401  # isort: skip  (first: it hides warnings of packages that are imported below)
import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast


def main(folder: str) -> None:
    """Write two layers, 64 wide, and a tokenizer of 256 bytes into ``folder``."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    LlamaForCausalLM(LlamaConfig(vocab_size=256, **sizes)).save_pretrained(folder)
    alphabet = sorted(ByteLevel.alphabet())
    letters = Tokenizer(BPE({letter: token for token, letter in enumerate(alphabet)}, merges=[]))
    letters.pre_tokenizer = ByteLevel(add_prefix_space=False)
    letters.decoder = ByteDecoder()
    PreTrainedTokenizerFast(tokenizer_object=letters).save_pretrained(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
