"""What was quantised once is not compressed again."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM

from formats.errors import CheckpointError
from sw_runtime.compress.source import load
from tests.models import tiny_llama


def test_a_compressed_model_is_refused(tiny_model: Callable[..., Path]) -> None:
    with pytest.raises(CheckpointError, match="the LlamaForCausalLM is compressed already; give the original model"):
        load(AutoModelForCausalLM.from_pretrained(tiny_model()), None)


def quantise_with_quanto(model: nn.Module) -> None:
    from optimum.quanto import freeze, qint8, quantize

    quantize(model, weights=qint8)
    freeze(model)


def prepare_for_quanto(model: nn.Module) -> None:
    from optimum.quanto import qint8, quantize

    quantize(model, weights=qint8)


def quantise_with_torchao(model: nn.Module) -> None:
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    quantize_(model, Int8WeightOnlyConfig())


def store_as_integers(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.weight = nn.Parameter(module.weight.to(torch.int8), requires_grad=False)


@pytest.mark.parametrize(
    "quantise", [quantise_with_quanto, prepare_for_quanto, quantise_with_torchao, store_as_integers]
)
def test_a_quantised_model_is_refused(quantise: Callable[[nn.Module], None]) -> None:
    model = tiny_llama(num_hidden_layers=1)
    quantise(model)
    with pytest.raises(CheckpointError, match=r"the LlamaForCausalLM is quantised already \(.+\); give the original"):
        load(model, None)
