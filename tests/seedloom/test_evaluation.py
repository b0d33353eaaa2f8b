import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import seedloom
from seedloom.cli import app
from tests.conftest import write_tokenizer
from tests.sw_runtime.evaluate.models import llama_to_quantise


@pytest.fixture
def original(tmp_path: Path) -> Path:
    folder = tmp_path / "original"
    llama_to_quantise().save_pretrained(folder)
    write_tokenizer(folder)
    return folder


@pytest.fixture
def text(tmp_path: Path) -> Path:
    words = torch.randint(120, (400,), generator=torch.Generator().manual_seed(2)).tolist()
    file = tmp_path / "text.txt"
    file.write_text(" ".join(f"w{word}" for word in words))
    return file


def test_folders_and_baselines_are_judged_in_one_run(original: Path, text: Path, tmp_path: Path) -> None:
    folders = [
        str(seedloom.compress(original, tmp_path / name, format=format))
        for name, format in (("first", "scaled-4bit"), ("again", "scaled-4bit"), ("three", "scaled-3bit"))
    ]
    options = ["--reference", str(original), "--text", str(text), "--windows", "3", "--length", "32"]
    arguments = ["eval", *folders, *options, "--baseline", "rtn-3bit-g128"]
    result = CliRunner().invoke(app, [*arguments, "--layers", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    four, again, three = found["folders"]
    assert (found["windows"], found["length"]) == (3, 32)
    assert four["quality"] == again["quality"]
    assert 0 < four["quality"]["divergence"]["mean"] < three["quality"]["divergence"]["mean"]
    assert four["bits"] > three["bits"] > 3
    assert set(four["layers"]) == {n for n, m in llama_to_quantise().named_modules() if isinstance(m, torch.nn.Linear)}
    assert all(0.01 < error < 0.2 for error in four["layers"].values())
    assert found["baselines"][0]["name"] == "rtn-3bit-g128"
    printed = CliRunner().invoke(app, arguments).stdout
    assert "| three | 3." in printed
    assert "draws" not in printed
    draws = CliRunner().invoke(app, ["eval", *folders[:2], *options, "--draws"]).stdout
    assert f"2 draws: KL {four['quality']['divergence']['mean']:.3f} ± 0.000 between them" in draws


def test_one_folder_has_no_spread(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["eval", str(tmp_path), "--draws"])
    assert result.exit_code == 1
    assert "error: one folder has no spread; give two or more runs of a recipe, or leave out --draws" in result.stderr


def test_an_unknown_baseline_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["eval", str(tmp_path), "--baseline", "gptq"])
    assert result.exit_code == 1
    assert "error: no baseline 'gptq'; choose from rtn-4bit-g128" in result.stderr


def test_a_text_too_short_is_refused(original: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.txt"
    short.write_text("w1 w2 w3")
    arguments = ["eval", str(tmp_path), "--reference", str(original), "--text", str(short), "--length", "32"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "the text has 3 tokens, and 16 windows of 32 need 512; give a longer text or fewer windows" in result.stderr


def test_the_original_of_another_model_is_refused(original: Path, text: Path, tmp_path: Path) -> None:
    folder = seedloom.compress(original, tmp_path / "out", format="scaled-4bit")
    config = json.loads((original / "config.json").read_text())
    (original / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1}))
    options = ["--reference", str(original), "--text", str(text), "--windows", "3", "--length", "32"]
    result = CliRunner().invoke(app, ["eval", str(folder), *options])
    assert result.exit_code == 1
    assert f"error: {folder} is not a compression of {original}: num_hidden_layers is" in result.stderr
    assert "; name the original with --reference" in result.stderr
