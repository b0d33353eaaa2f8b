"""Models of other families fitted to a text; what a text cannot do is refused before the search."""

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from formats.errors import CheckpointError, InputError
from sw_runtime.compress import folder as folder_module
from sw_runtime.compress.folder import compress
from sw_runtime.fit.report import read_report
from tests.conftest import write_tokenizer
from tests.sw_runtime.compress.families import FAMILIES, VOCABULARY, Family


@pytest.fixture
def text(tmp_path: Path) -> Path:
    words = torch.randint(1, VOCABULARY, (2100,), generator=torch.Generator().manual_seed(0))
    (tmp_path / "text.txt").write_text(" ".join(f"w{word}" for word in words.tolist()))
    return tmp_path / "text.txt"


@pytest.fixture
def tokenizer(tmp_path: Path) -> PreTrainedTokenizerBase:
    write_tokenizer(tmp_path / "tokenizer")
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    return found


@pytest.fixture
def no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise AssertionError("the search began")

    monkeypatch.setattr(folder_module, "PartialResults", fail)


def test_transposed_weights_are_fitted_to_a_text_and_put_back(
    text: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    model = FAMILIES["gpt2"].build()
    model.config.n_positions = 512
    model.transformer.wpe = torch.nn.Embedding(512, 64)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    output = compress(model, tmp_path / "out", "scaled-3bit", text, tokenizer=tokenizer, progress=False)
    reports = read_report(output)
    assert {report.method for report in reports.values()} == {"feedback"}
    assert all(0 < report.worst < 0.3 for report in reports.values())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_experts_are_fitted_to_a_text_and_the_report_names_those_that_saw_few_tokens(
    text: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    settings = FAMILIES["qwen3-moe"].settings | {
        "max_position_embeddings": 512,
        "num_experts_per_tok": 1,
        "moe_intermediate_size": 32,
    }
    model = Family("Qwen3MoeForCausalLM", "Qwen3MoeConfig", settings).build()
    model.model.layers[0].mlp.gate.weight.data[3] = 0  # the last expert is chosen by nobody: others win
    model.model.layers[0].mlp.gate.weight.data[2] = -model.model.layers[0].mlp.gate.weight.data[1]
    output = compress(
        model, tmp_path / "out", "scaled-3bit", text, bits=3.0, tokenizer=tokenizer, modules="experts", progress=False
    )
    reports = read_report(output)
    assert len(reports) == 8
    assert {name for name, report in reports.items() if report.all_experts} == {
        f"model.layers.0.mlp.experts.3.{matrix}" for matrix in ("gate_up", "down")
    }
    assert all(report.held_out_error for report in reports.values())


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("family", ["t5", "vit", "whisper", "clip"])
def test_a_text_for_a_model_that_does_not_read_text_alone_is_refused(
    family: str, text: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"does not read text alone; it takes no calibration text"):
        compress(FAMILIES[family].build(), tmp_path / "out", calibration_text=text, tokenizer=tokenizer)


@pytest.mark.usefixtures("no_search")
def test_a_model_that_does_not_run_as_it_is_configured_is_refused_in_one_line(tmp_path: Path) -> None:
    family = FAMILIES["qwen2-vl"]
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [16, 24, 24]}
    text = family.settings["text_config"] | {"rope_parameters": rope}
    model = Family(family.model, family.config, family.settings | {"text_config": text}).build()
    with pytest.raises(
        InputError, match=r"does not run on a text \(split_with_sizes .*; mend its config\.json, or give"
    ):
        compress(model, tmp_path / "out", calibration_text="self")


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("bits", [1.5, 5.0])
def test_bits_out_of_reach_are_refused_before_the_search(
    bits: float, text: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"bits must be (what|from 2\.\d+ to 4\.\d+) .*, not {bits:g}"):
        compress(FAMILIES["llama"].build(), tmp_path / "out", bits=bits, calibration_text=text, tokenizer=tokenizer)


@pytest.mark.usefixtures("no_search")
def test_a_model_that_could_not_be_loaded_is_refused_before_the_search(tmp_path: Path) -> None:
    model = FAMILIES["llama"].build()
    model.register_buffer("extra", torch.zeros(3))
    with pytest.raises(CheckpointError, match=r"tensor extra in model\.safetensors belongs to no layer"):
        compress(model, tmp_path / "out")
