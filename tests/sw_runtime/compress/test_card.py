"""The model card of a compressed folder, and what it keeps of the original's."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import RepoCard
from transformers import AutoConfig, LlamaForCausalLM

from sw_runtime.compress.card import model_card
from sw_runtime.compress.folder import compress
from sw_runtime.compress.source import Source
from sw_runtime.fit.report import add_to_report
from sw_runtime.nn.folder import describe, verify
from tests.models import tiny_llama

ORIGINAL = """---
license: mit
language: [en, de]
base_model: somebody/base
tags: [llama, chat]
pipeline_tag: text-generation
model-index:
- name: original
  results: []
---

# The original

It is a model.
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compressed from a folder with a card of its own; one layer is FP16."""
    source = tmp_path_factory.mktemp("models") / "tiny-llama"
    tiny_llama(num_hidden_layers=1).save_pretrained(source)
    (source / "README.md").write_text(ORIGINAL)
    return compress(source, source.parent / "out", "scaled-2bit", fp16="lm_head", progress=False)


def card_of(folder: Path) -> RepoCard:
    return RepoCard((folder / "README.md").read_text())


def test_its_front_matter_says_what_the_hub_asks_for_and_keeps_what_is_true_of_both(folder: Path) -> None:
    assert dict(vars(card_of(folder).data)) == {
        "license": "mit",
        "language": ["en", "de"],
        "pipeline_tag": "text-generation",
        "base_model": "tiny-llama",
        "base_model_relation": "quantized",
        "library_name": "transformers",
        "tags": ["llama", "chat", "seedlm"],
    }


def test_it_says_how_much_is_compressed_in_which_formats_and_what_stays_dense(folder: Path) -> None:
    text = card_of(folder).text
    contents = describe(folder)
    bits = 8 * contents.layer_bytes / contents.weights
    weights = LlamaForCausalLM(AutoConfig.from_pretrained(folder)).num_parameters()
    share = contents.weights / weights
    assert (
        f"| compressed | {100 * share:.1f} % of the weights, at {bits:.3f} bits per weight, scales included |" in text
    )
    assert "| layers by format | scaled-2bit 7, fp16 1 |" in text
    assert f"| stays dense | {100 * 120 * 64 / weights:.1f} % (embeddings, rows are looked up); " in text
    assert "| calibrated on | no text: all inputs count alike |" in text


@pytest.mark.parametrize(
    ("format", "kinds"),
    [
        ("scaled-2bit", "seeds of pseudo-random generators (SeedLM, arXiv 2410.10714)"),
        ("trellis-3.5bit", "bit streams of a trellis code (after QTIP, arXiv 2406.11235)"),
        ("palette-4bit", "codes of palettes (AFM, arXiv 2407.21075)"),
        ("fp16", "16-bit floating-point numbers"),
    ],
)
def test_it_names_the_paper_of_each_format(format: str, kinds: str, folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    config = copy / "config.json"
    config.write_text(config.read_text().replace("scaled-2bit", format))
    assert f"The linear layers of `tiny-llama` are stored as {kinds}.\n" in model_card(copy, "tiny-llama", "", None)


def test_it_says_how_the_folder_is_loaded(folder: Path) -> None:
    text = card_of(folder).text
    _, code = text.split("```python\n")
    names: dict[str, Any] = {}
    exec(code.split("```")[0].replace('"FOLDER"', repr(str(folder))), names)
    assert isinstance(names["model"], LlamaForCausalLM)
    assert "The KL divergence from the original was not measured when this card was written." in text
    assert "`seedloom eval FOLDER --reference ORIGINAL` measures it on any text" in text


def test_it_says_what_was_measured_on_how_many_tokens(folder: Path) -> None:
    before, counts = (folder / "report.json").read_text(), {"windows": 8, "tokens": 1024}
    add_to_report(folder, {"divergence": {"kind": "measured", "mean": 0.07062, "error": 0.004} | counts})
    card = model_card(folder, "a/b", "", "self")
    assert "next token from the original's: 0.0706 ± 0.0040 nats, measured on\n1024 tokens of the calibration" in card
    add_to_report(folder, {"divergence": {"kind": "measured", "mean": 0.07062, "error": None} | counts})
    assert "0.0706 nats, measured on" in model_card(folder, "a/b", "", "self")
    add_to_report(folder, {"divergence": None})
    assert "was not measured" in model_card(folder, "a/b", "", "self")
    (folder / "report.json").write_text(before)


def test_the_originals_own_text_follows(folder: Path) -> None:
    assert card_of(folder).text.endswith("## The original's card\n\n# The original\n\nIt is a model.\n")


def test_it_may_be_changed_without_damage_to_the_folder(folder: Path) -> None:
    path = folder / "README.md"
    before = path.read_text()
    path.write_text(before + "KL: 0.1\n")
    verify(folder, progress=False)
    path.write_text(before)


@pytest.mark.parametrize("original", ["---\na: [\n---\ntext\n", "---\n- a\n---\ntext\n"])
def test_front_matter_that_cannot_be_read_stays_in_the_text(original: str, folder: Path) -> None:
    card = RepoCard(model_card(folder, "a/b", original, None))
    assert card.data.tags == ["seedlm"]
    assert original in card.text


def test_without_a_card_of_the_originals_nothing_follows(folder: Path) -> None:
    assert "original's card" not in model_card(folder, "a/b", "", None)


@pytest.mark.parametrize(
    ("calibration", "words"),
    [
        ("self", "a text that the model wrote itself, `calibration.txt`"),
        ("datasets:owner/name", "`datasets:owner/name`"),
        (Path(__file__), "`test_card.py`"),
        (None, "no text: all inputs count alike"),
    ],
)
def test_it_names_the_calibration_text_but_no_place_on_this_machine(calibration: Any, words: str, folder: Path) -> None:
    assert f"| calibrated on | {words} |\n" in model_card(folder, "a/b", "", calibration)


def test_a_model_is_called_as_on_the_hub_where_that_is_known(tmp_path: Path) -> None:
    model = tiny_llama(num_hidden_layers=1)
    cached = tmp_path / "models--owner--name" / "snapshots" / "0a1b"
    cached.mkdir(parents=True)
    assert Source(model, None, cached).name == "owner/name"
    assert Source(model, None, tmp_path).name == tmp_path.name
    assert Source(model, None, None).name == "LlamaForCausalLM"
    model.name_or_path = "owner/name"
    assert Source(model, None, None).name == "owner/name"
    model.name_or_path = str(tmp_path)
    assert Source(model, None, None).name == tmp_path.name
