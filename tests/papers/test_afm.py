import json
import math
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from papers import afm
from papers.afm import PATIENCE, Texts, choose_bits, divergence, inputs_of, loss, measure, palettise_layers, recover
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


def test_bits_are_at_most_the_average_and_one_matrix_less_would_be_too_few() -> None:
    model = llama_of_smollm2s_vocabulary()
    bits = choose_bits(model, inputs_of(model, TOKENS), average=3.0)
    sizes = {name: linear.weight.numel() for name, linear in layers_without_head(model).items()}
    average = sum(bits[name] * sizes[name] for name in bits) / sum(sizes.values())
    assert 3.0 - 2 * max(sizes.values()) / sum(sizes.values()) < average <= 3.0
    assert set(bits.values()) == {2, 4}


def test_recovery_brings_the_palettised_model_back_towards_the_float_model() -> None:
    model, teacher = llama_of_smollm2s_vocabulary(), llama_of_smollm2s_vocabulary()
    inputs = inputs_of(model, TOKENS)
    adapted = palettise_layers(model, dict.fromkeys(layers_without_head(model), 2), inputs, rank=8)
    frozen = {name: linear.base.clone() for name, linear in adapted.items()}

    def distance() -> float:
        with torch.inference_mode():
            return divergence(model, teacher, TOKENS[0]).item()

    before = distance()
    checks = recover(model, teacher, Texts(TOKENS, TOKENS, TOKENS), steps=20, steps_a_check=5)
    assert [step for step, _ in checks] == [0, 5, 10, 15, 20]
    assert distance() < before / 2
    assert all(linear.base.equal(frozen[name]) for name, linear in adapted.items())


def test_recovery_ends_when_the_watched_loss_no_longer_falls_and_keeps_the_best_adapters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, teacher = llama_of_smollm2s_vocabulary(), llama_of_smollm2s_vocabulary()
    adapted = palettise_layers(model, dict.fromkeys(layers_without_head(model), 2), inputs_of(model, TOKENS), rank=4)
    seen: list[dict[str, torch.Tensor]] = []
    losses = iter([3.0, 2.0, 2.5, 2.25, 1.0])

    def told(model: LlamaForCausalLM, windows: torch.Tensor) -> float:
        seen.append({name: linear.B.detach().clone() for name, linear in adapted.items()})
        return next(losses)

    monkeypatch.setattr(afm, "loss", told)
    checks = recover(model, teacher, Texts(TOKENS, TOKENS, TOKENS), steps=20, steps_a_check=1)
    assert checks == [(0, 3.0), (1, 2.0), (2, 2.5), (3, 2.25)]
    assert len(checks) - 2 == PATIENCE
    assert all(linear.B.equal(seen[1][name]) for name, linear in adapted.items())
    assert any(not linear.B.equal(seen[3][name]) for name, linear in adapted.items())


def test_a_window_is_trained_on_watched_or_judged_by_and_never_two_of_these(tiny_folder: str) -> None:
    texts = Texts.of(AutoTokenizer.from_pretrained(tiny_folder), 48)
    parts = texts.training, texts.watched, texts.held_out
    assert [len(part) for part in parts] == [39, 3, 6]
    assert len({tuple(window.tolist()) for window in torch.cat(parts)}) == 48


def test_a_model_that_knows_nothing_is_as_perplexed_as_its_vocabulary_is_large() -> None:
    model = llama_of_smollm2s_vocabulary()
    torch.nn.init.zeros_(model.lm_head.weight)
    assert loss(model, TOKENS) == pytest.approx(math.log(49152), rel=1e-4)


@pytest.mark.usefixtures("narrow_port")
@pytest.mark.parametrize("device", ["emulated", "simulated"])
def test_the_report(device: str, tiny_folder: str) -> None:
    report = measure(device, steps=2, windows=8, rank=4, folder=tiny_folder)
    ours = report.figures
    assert ours["first layer's results equal the golden integers"] == "yes"
    assert 3 < float(ours["bits per weight, tables apart"]) <= 3.7
    assert report.findings["adapter size"].ours == pytest.approx(44.75, abs=0.01)
    assert report.findings["recovery"].ours is not None
    assert json.loads(report.json())["device"] == device
