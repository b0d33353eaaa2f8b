"""A tiny compressed model on disk, its words drawn at random."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings, strategies
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import AutoTokenizer, PreTrainedTokenizerFast

import seedloom
from formats import presets
from formats.block import BlockFormat
from formats.engine import EngineParameters
from formats.matrices import EncodedMatrix
from formats.presets import PRESETS, Preset
from formats.scales import paper_scale
from formats.storage import pack_rows
from sw_runtime.device.protocol import Device
from sw_runtime.json_files import json_text
from sw_runtime.nn.checksums import CHECKSUMS, checksums
from sw_runtime.nn.quantizer import QUANT_METHOD
from tests.formats.block_formats import block_formats
from tests.formats.five_bits import FIVE_BITS
from tests.models import tiny_llama
from tests.sw_runtime.device.matrices import random_matrix

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # a busy machine fails no test
strategies.register_type_strategy(BlockFormat, block_formats())  # for @given(block_format=...)

OTHER_FORMATS = {
    "model.layers.0.self_attn.q_proj": "paper-4bit",
    "model.layers.0.self_attn.k_proj": "scaled-3bit",
    "model.layers.1.mlp.down_proj": "paper-3bit",
    "lm_head": "scaled-2bit",
}
"""Layers that are not in the default format, so that every preset is met."""


def stored_matrix(block_format: BlockFormat, rows: int, columns: int, seed: int) -> EncodedMatrix:
    """Valid words drawn at random, scales as a file keeps them."""
    matrix = random_matrix(block_format.name, rows, columns, seed)
    assert isinstance(matrix, EncodedMatrix)
    if block_format.exponent_bits:
        return replace(matrix, scales=torch.tensor([paper_scale(block_format)]))
    return replace(matrix, scales=torch.rand(rows).mul(0.01).bfloat16().float())


def write_tiny_model(folder: Path, attention_bias: bool = False, shards: int = 1) -> dict[str, EncodedMatrix]:
    """Write the compressed model; returns the matrices of its layers by name."""
    model = tiny_llama(
        num_hidden_layers=2,
        max_position_embeddings=64,
        bos_token_id=1,
        eos_token_id=None,
        tie_word_embeddings=False,
        attention_bias=attention_bias,
    )
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    matrices: dict[str, EncodedMatrix] = {}
    modules: dict[str, str] = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            block_format = PRESETS[OTHER_FORMATS.get(name, "scaled-4bit")]
            matrix = stored_matrix(block_format, module.out_features, module.in_features, len(modules))
            tensors[f"{name}.weight"] = pack_rows(matrix.words, block_format)
            scale_dtype = torch.float32 if block_format.exponent_bits else torch.bfloat16
            tensors[f"{name}.weight_scale"] = matrix.scales.to(scale_dtype)
            matrices[name], modules[name] = matrix, block_format.name
    folder.mkdir(parents=True, exist_ok=True)
    config = model.config
    config.architectures, config.dtype = ["LlamaForCausalLM"], torch.float32
    quantization = {"quant_method": QUANT_METHOD, "format": "scaled-4bit", "modules": modules}
    (folder / "config.json").write_text(json.dumps(config.to_dict() | {"quantization_config": quantization}))
    _save_shards(folder, tensors, shards)
    return matrices


def _save_shards(folder: Path, tensors: dict[str, torch.Tensor], shards: int) -> None:
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        return
    weight_map: dict[str, str] = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        names = list(tensors)[shard::shards]
        save_file({name: tensors[name] for name in names}, folder / file, {"format": "pt"})
        weight_map |= dict.fromkeys(names, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def write_tokenizer(folder: Path) -> None:
    """A tokenizer of 120 words, "w0" to "w119"."""
    words = Tokenizer(WordLevel({f"w{i}": i for i in range(120)}, unk_token="w0"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="w0").save_pretrained(folder)


def write_checksums(folder: Path) -> None:
    """Vouch for a folder as it is now."""
    (folder / CHECKSUMS).write_text(json_text(checksums(folder)))


@pytest.fixture
def five_bits(monkeypatch: pytest.MonkeyPatch) -> Preset:
    """A preset that does not ship, registered for one test."""
    monkeypatch.setattr(presets, "_REGISTERED", dict(presets._REGISTERED))
    presets.register(FIVE_BITS)
    return FIVE_BITS


@pytest.fixture
def one_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """All layers of the tiny model are in the default format."""
    for layer in list(OTHER_FORMATS):
        monkeypatch.delitem(OTHER_FORMATS, layer)


@pytest.fixture
def narrow_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices opened by name have a memory port of 16 bytes: a quarter of the lanes to compile."""
    opened = seedloom.open_device

    def narrow(name: str, parameters: EngineParameters, **options: Any) -> Device:
        return opened(name, parameters=replace(parameters, port_bytes=16), **options)

    monkeypatch.setitem(vars(seedloom), "open_device", narrow)


@pytest.fixture
def tiny_model(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny compressed model and return its folder."""

    def write(attention_bias: bool = False, shards: int = 1) -> Path:
        write_tiny_model(tmp_path / "compressed", attention_bias, shards)
        write_tokenizer(tmp_path / "compressed")
        write_checksums(tmp_path / "compressed")
        return tmp_path / "compressed"

    return write


TEMPLATE = (
    "{% for message in messages %}{% if message.role == 'system' %}{{ raise_exception('no\nsystem') }}{% endif %}"
    "{{ message.content }} {% endfor %}"
)
"""Joins the messages, and takes none of the system's."""


@pytest.fixture(scope="session")
def chatting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny compressed model with a chat template."""
    folder = tmp_path_factory.mktemp("serve") / "tiny"
    write_tiny_model(folder)
    write_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder
