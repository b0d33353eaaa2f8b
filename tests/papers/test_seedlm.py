from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from formats.matrices import real_weights
from formats.presets import PRESETS
from golden_models.seedlm.codec import encode
from papers import seedlm
from papers.questions import Choices
from papers.retention import Retention
from papers.seedlm import KEPT, measure, relative_error, retentions, tiled
from sw_runtime.texts.packaged_models import smollm2_folder
from tests.models import tiny_llama
from tests.papers.big_bench import tasks_in


def test_a_matrix_is_repeated_and_cut() -> None:
    square = tiled(torch.arange(6).view(2, 3), 4)
    assert square.tolist() == [[0, 1, 2, 0], [3, 4, 5, 3], [0, 1, 2, 0], [3, 4, 5, 3]]


def test_the_error_is_that_of_the_golden_encoder() -> None:
    weights = torch.randn(2, 24, generator=torch.Generator().manual_seed(3))
    golden = real_weights(encode(weights, PRESETS["paper-4bit"]))
    assert relative_error(weights, "paper-4bit") == ((golden - weights).norm() / weights.norm()).item()


@pytest.mark.usefixtures("narrow_port")
def test_both_devices_take_the_same_cycles_and_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Retention(90, (80, 95), 40, (30, 50), 88)

    def no_model(
        compressed: Callable[[str], Path], tasks: Sequence[str], count: int
    ) -> tuple[int, dict[str, Retention]]:
        return 7, {name: replace(kept, kept=90 + place) for place, name in enumerate(KEPT)}

    monkeypatch.setattr(seedlm, "retentions", no_model)
    emulated, simulated = (measure(device, sizes=(48, 96)) for device in ("emulated", "simulated"))
    assert emulated.figures == simulated.figures
    assert emulated.figures["all results equal to the golden datapath's"] == "yes"
    assert 2 < emulated.figures["48 x 48: cycles of FP16 over paper-4bit"] < emulated.findings["speed-up"].ours < 4
    assert simulated.findings["speed-up"].ran == "engine RTL simulated"
    assert [emulated.findings[f"retention at {bits} bits"].ours for bits in (4, 3)] == [90, 92]


def test_only_tasks_that_the_float_model_can_do_are_asked_of_the_compressed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder())
    model = tiny_llama(hidden_size=32, intermediate_size=48, num_hidden_layers=2, vocab_size=49152)
    decoded: list[Any] = []
    model.dequantize = lambda: decoded.append(model)
    examples = [{"input": f"{n}?", "target_scores": {"one": 0, "other": 1}} for n in range(12)]
    tasks_in(tmp_path, {"easy": examples, "hard": examples}, monkeypatch)

    def always(right: bool) -> Callable[..., torch.Tensor]:
        return lambda model, tokenizer, asked, label: torch.full((len(asked),), int(right and "hard" not in label))

    monkeypatch.setattr(seedlm.SmolLM2, "load", lambda: SimpleNamespace(model=model, tokenizer=tokenizer))
    monkeypatch.setattr(seedlm.AutoModelForCausalLM, "from_pretrained", lambda folder, dtype: model)
    monkeypatch.setattr(seedlm, "answers_of", always(True))
    asked, found = retentions(lambda name: tmp_path / name, ("easy", "hard"), 9)
    assert asked == 9
    assert [(each.kept, each.agreement) for each in found.values()] == [(100, 100)] * len(KEPT)
    assert len(decoded) == len(KEPT)
    assert Choices("0?", ("one", "other"), 1) == seedlm.choices("easy", 1)[0]
