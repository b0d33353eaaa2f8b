import json
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM

from papers.afm import choose_bits, inputs_of, measure, palettise_layers, perplexity, recover
from sw_runtime.evaluate.baselines import layers_without_head
from sw_runtime.texts.packaged_models import smollm2_folder
from tests.models import tiny_llama


def llama_of_smollm2s_vocabulary() -> LlamaForCausalLM:
    return tiny_llama(hidden_size=32, intermediate_size=48, num_hidden_layers=2, vocab_size=49152)


@pytest.fixture
def tiny_folder(tmp_path: Path) -> str:
    """A model of random weights with SmolLM2's tokenizer."""
    folder = tmp_path / "tiny"
    llama_of_smollm2s_vocabulary().save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((smollm2_folder() / name).read_bytes())
    return str(folder)


TOKENS = torch.arange(64).view(1, -1)


def test_the_average_of_bits_is_met_and_never_passed() -> None:
    model = llama_of_smollm2s_vocabulary()
    bits = choose_bits(model, inputs_of(model, TOKENS), average=3.0)
    sizes = {name: linear.weight.numel() for name, linear in layers_without_head(model).items()}
    average = sum(bits[name] * sizes[name] for name in bits) / sum(sizes.values())
    assert 3.0 <= average < 3.0 + 2 * max(sizes.values()) / sum(sizes.values())
    assert set(bits.values()) == {2, 4}


def test_recovery_brings_the_palettised_model_back_towards_the_float_model() -> None:
    model, teacher = llama_of_smollm2s_vocabulary(), llama_of_smollm2s_vocabulary()
    inputs = inputs_of(model, TOKENS)
    adapted = palettise_layers(model, dict.fromkeys(layers_without_head(model), 2), inputs, rank=8)
    frozen = {name: linear.base.clone() for name, linear in adapted.items()}

    def distance() -> float:
        with torch.inference_mode():
            logits = [each(TOKENS).logits.log_softmax(dim=-1) for each in (model, teacher)]
        return torch.nn.functional.kl_div(*logits, log_target=True, reduction="batchmean").item()

    before = distance()
    recover(model, teacher, TOKENS, steps=20)
    assert distance() < before / 2
    assert all(linear.base.equal(frozen[name]) for name, linear in adapted.items())


def test_a_model_that_knows_nothing_is_as_perplexed_as_its_vocabulary_is_large() -> None:
    model = llama_of_smollm2s_vocabulary()
    torch.nn.init.zeros_(model.lm_head.weight)
    assert perplexity(model, TOKENS) == pytest.approx(49152, rel=1e-3)


@pytest.mark.usefixtures("narrow_port")
@pytest.mark.parametrize("device", ["emulated", "simulated"])
def test_the_report(device: str, tiny_folder: str) -> None:
    report = measure(device, steps=2, windows=8, rank=4, folder=tiny_folder)
    ours = report.figures
    assert ours["first layer's results equal the golden integers"] == "yes"
    assert 3.7 <= float(ours["bits per weight, tables apart"]) < 4
    assert report.findings["adapter size"].ours == pytest.approx(44.75, abs=0.01)
    assert report.findings["recovery"].ours is not None
    assert json.loads(report.json())["device"] == device
