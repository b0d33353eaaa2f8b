import json
import shutil
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import seedloom
from formats.errors import InputError
from seedloom.cli import app
from seedloom.evaluation import evaluate
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


def test_baselines_without_their_packages_are_refused_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(package: str) -> str:
        if package in ("bitsandbytes", "auto-round"):
            raise PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr("importlib.metadata.version", version)
    result = CliRunner().invoke(app, ["eval", str(tmp_path), "--baseline", "all"])
    assert result.exit_code == 1
    assert result.stderr == (
        "error: baselines need packages that are not installed: bnb-nf4 (bitsandbytes), "
        "auto-round-int4-g128 (auto-round); pip install 'seedloom[eval]', or name others\n"
    )


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("no/such-model", "no/such-model is not a folder; name that of the original model with --reference"),
        ("SmolLM2", "SmolLM2 is not a folder; name that of the original model with --reference"),
        ("empty", "config.json is not there; copy the model's folder again"),
        ("compressed", "compressed is compressed already; give the original model"),
    ],
)
def test_a_reference_that_is_no_original_is_refused_at_once(
    reference: str, said: str, tiny_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(app, ["eval", str(tiny_model()), "--reference", reference])
    assert result.exit_code == 1
    assert result.stderr.endswith(f"{said}\n")
    assert result.stderr.count("\n") == 1


def test_what_is_no_compressed_folder_is_refused_with_the_remedy(original: Path, text: Path) -> None:
    for folder, said in (
        (original, f"{original} is not compressed; run `seedloom compress {original} OUTPUT` first"),
        (original / "nowhere", f"{original / 'nowhere'} is not a folder; name one that `seedloom compress` wrote"),
        (text, f"{text} is not a folder; name one that `seedloom compress` wrote"),
    ):
        result = CliRunner().invoke(app, ["eval", str(folder), "--reference", str(original)])
        assert (result.exit_code, result.stderr) == (1, f"error: {said}\n")


@pytest.mark.parametrize("text", ["", "nowhere.txt", "."])
def test_a_text_that_is_no_file_is_named(text: str, tiny_model: Callable[..., Path], original: Path) -> None:
    config = json.loads((original / "config.json").read_text())
    folder = tiny_model()
    sizes = {key: config[key] for key in ("model_type", "vocab_size", "hidden_size", "num_hidden_layers")}
    (folder / "config.json").write_text(json.dumps(json.loads((folder / "config.json").read_text()) | sizes))
    result = CliRunner().invoke(app, ["eval", str(folder), "--reference", str(original), "--text", text])
    assert result.exit_code == 1
    assert "error: there is no file '" in result.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"folders": Path("a")}, "folders must be list, not "),
        ({"folders": []}, "folders must name one compressed folder or more"),
        ({"folders": [3]}, "folder must be str or Path, not 3"),
        ({"reference": 3}, "reference must be str or Path or None, not 3"),
        ({"text": 3}, "text must be str or None, not 3"),
        ({"windows": 1}, "windows must be 2 to 1048575, not 1"),
        ({"length": 2.5}, r"length must be an integer, 2 to 1048575, not 2\.5"),
        ({"baselines": "hqq"}, "baselines must be list or None, not 'hqq'"),
    ],
)
def test_a_wrong_argument_is_named(wrong: dict[str, Any], said: str, original: Path) -> None:
    with pytest.raises(InputError, match=f"^{said}"):
        evaluate(**{"folders": [], "reference": original} | wrong)


def test_a_text_too_short_is_refused(original: Path, tmp_path: Path) -> None:
    folder = seedloom.compress(original, tmp_path / "out", format="scaled-4bit")
    short = tmp_path / "short.txt"
    short.write_text("w1 w2 w3")
    arguments = ["eval", str(folder), "--reference", str(original), "--text", str(short), "--length", "32"]
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


def test_a_damaged_folder_is_refused_before_others_are_judged(
    original: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = seedloom.compress(original, tmp_path / "whole", format="scaled-4bit")
    torn = Path(shutil.copytree(whole, tmp_path / "torn"))
    weights = torn / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    monkeypatch.setattr("seedloom.evaluation._load", None)
    result = CliRunner().invoke(app, ["eval", str(whole), str(torn), "--reference", str(original), "--text", str(text)])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {weights} is damaged")
