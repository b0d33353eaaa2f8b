import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import seedloom
from seedloom.cli import app
from sw_runtime.fit.report import LayerReport, report_text
from sw_runtime.json_files import json_text
from sw_runtime.nn.golden_tokens import GOLDEN_TOKENS, golden_tokens
from tests.conftest import write_checksums, write_tokenizer
from tests.models import tiny_llama


@pytest.fixture
def folder(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model()


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_inspect_lists_every_layer_and_a_total(folder: Path) -> None:
    lines = run("inspect", str(folder)).splitlines()
    assert len(lines) == 16
    assert lines[0].split() == ["model.layers.0.self_attn.q_proj", "paper-4bit", "[64,", "64]", "4.008", "bits"]
    assert lines[-1].startswith(f"{folder}: 15 layers, 70,656 weights at")


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_json_is_the_only_output(command: str, folder: Path) -> None:
    answer = json.loads(run(command, str(folder), "--json"))
    assert answer["folder"] == str(folder)
    assert len(answer["layers"]) == 15
    assert answer["layers"][-1] == {
        "name": "lm_head",
        "format": "scaled-2bit",
        "rows": 120,
        "columns": 64,
        "bits_per_weight": 8 * (18 + 2) / 64,
        "bytes": 120 * (18 + 2),
    }
    assert answer["layer_bytes"] + answer["other_bytes"] == (folder / "model.safetensors").stat().st_size
    assert answer["weights"] * answer["bits_per_weight"] == pytest.approx(8 * answer["layer_bytes"])
    assert answer["dense_bytes"] == 2 * answer["weights"]


def test_inspect_shows_how_well_layers_were_encoded(folder: Path) -> None:
    reports = {
        "lm_head": LayerReport("scaled-2bit", "feedback", 0.1, 0.2, 0.3),
        "model.layers.0.mlp.up_proj": LayerReport("scaled-4bit", "plain"),
    }
    (folder / "report.json").write_text(report_text({name: report.as_json() for name, report in reports.items()}, {}))
    lines = {line.split()[0]: line for line in run("inspect", str(folder)).splitlines()}
    assert lines["lm_head"].endswith("bits  feedback, output error 0.3000")
    assert lines["model.layers.0.mlp.up_proj"].endswith("bits  plain")
    answer = json.loads(run("inspect", str(folder), "--json"))
    assert answer["report"]["lm_head"] == reports["lm_head"].as_json()


def test_verify_says_that_all_is_well(folder: Path) -> None:
    assert "complete, unchanged, every word valid; 15 layers" in run("verify", str(folder))


def test_verify_runs_the_model_when_asked(folder: Path) -> None:
    (folder / GOLDEN_TOKENS).write_text(json_text(golden_tokens(folder)))
    write_checksums(folder)
    assert "every word valid; golden tokens equal; 15 layers" in run("verify", str(folder), "--run")


def test_verify_exits_with_1_on_a_damaged_file(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    result = CliRunner().invoke(app, ["verify", str(folder), "--json"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: {file} is damaged")


@pytest.mark.parametrize(
    ("options", "passed"),
    [
        (
            [],
            {
                "format": "trellis-4bit",
                "bits": None,
                "calibration_text": "self",
                "modules": None,
                "fp16": None,
                "overwrite": False,
                "allow_partial": False,
                "cluster": None,
                "polish": 0,
            },
        ),
        (
            [
                "--format",
                "paper-3bit",
                "--calibration",
                "book.txt",
                "--modules",
                "mlp",
                "--fp16",
                "head",
                "--overwrite",
                "--allow-partial",
                "--cluster",
                "auto",
            ],
            {
                "format": "paper-3bit",
                "bits": None,
                "calibration_text": "book.txt",
                "modules": "mlp",
                "fp16": "head",
                "overwrite": True,
                "allow_partial": True,
                "cluster": "auto",
                "polish": 0,
            },
        ),
        (
            ["--bits", "3.5", "--calibration", "packaged"],
            {
                "format": "trellis-4bit",
                "bits": 3.5,
                "calibration_text": "packaged",
                "modules": None,
                "fp16": None,
                "overwrite": False,
                "allow_partial": False,
                "cluster": None,
                "polish": 0,
            },
        ),
    ],
)
def test_compress_passes_its_options_on_and_sums_up(
    options: list[str], passed: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setitem(vars(seedloom), "compress", lambda *args, **kwargs: calls.append((args, kwargs)))
    output = run("compress", "dense", str(folder), *options)
    assert calls == [(("dense", folder), passed)]
    assert output.startswith(f"{folder}: 15 layers")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "calibrated on a text that the model wrote itself; --calibration names another\n"),
        (["--calibration", "packaged"], ""),
        (
            ["--calibration", "none"],
            "compressed without a calibration text: SmolLM2-135M lost three to five times as much as with one "
            "(measured)\n",
        ),
    ],
)
def test_compress_says_what_it_calibrates_on_where_no_text_is_given(
    options: list[str], said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = []
    monkeypatch.setitem(vars(seedloom), "compress", lambda *_, calibration_text, **__: texts.append(calibration_text))
    result = CliRunner().invoke(app, ["compress", "dense", str(folder), *options])
    assert result.stderr == said
    assert texts == [{"none": None}.get(options[-1], options[-1]) if options else "self"]


def test_a_dry_run_says_what_it_would_take_and_writes_nothing(tmp_path: Path) -> None:
    tiny_llama(num_hidden_layers=1).save_pretrained(tmp_path / "dense")
    output = run("compress", str(tmp_path / "dense"), str(tmp_path / "out"), "--calibration", "none", "--dry-run")
    assert [line.split(":")[0] for line in output.splitlines()[:4]] == ["time", "memory", "disk", "layers"]
    assert "8 in trellis-4bit" in output
    assert "stays dense: " in output
    assert not (tmp_path / "out").exists()


def test_a_dry_run_refuses_a_text_that_is_too_short(tmp_path: Path) -> None:
    tiny_llama(num_hidden_layers=1).save_pretrained(tmp_path / "dense")
    write_tokenizer(tmp_path / "dense")
    (tmp_path / "short.txt").write_text("w3 w7")
    options = ("--calibration", str(tmp_path / "short.txt"), "--dry-run")
    result = CliRunner().invoke(app, ["compress", str(tmp_path / "dense"), str(tmp_path / "out"), *options])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "short.txt has 2 tokens; give a text of at least" in result.stderr


def test_a_dry_run_prints_json(tmp_path: Path) -> None:
    tiny_llama(num_hidden_layers=1).save_pretrained(tmp_path / "dense")
    options = ("--calibration", "none", "--dry-run", "--json")
    found = json.loads(run("compress", str(tmp_path / "dense"), str(tmp_path / "out"), *options))
    assert found.keys() == {"memory", "disk", "converted", "result", "seconds", "layers", "coverage"}


def test_compress_prints_json(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(seedloom), "compress", lambda *args, **kwargs: None)
    assert json.loads(run("compress", "dense", str(folder), "--json"))["folder"] == str(folder)


def test_compress_says_how_much_of_the_model_is_compressed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    covered = {"compressed": 3, "layers": {"Linear": 1}, "dense": {"vectors": 1}}
    (folder / "report.json").write_text(report_text({}, covered))
    monkeypatch.setitem(vars(seedloom), "compress", lambda *args, **kwargs: None)
    result = CliRunner().invoke(app, ["compress", "dense", str(folder), "--calibration", "packaged"])
    assert result.stderr == ("75.0 % of the model's weights are compressed (1 Linear); stays dense: 25.0 % (vectors)\n")


def test_export_writes_an_ordinary_model_and_says_so(folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", str(folder), str(tmp_path / "dense"), "--dtype", "bfloat16"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.endswith(f"{tmp_path / 'dense'}: the weights of {folder}, decoded\n")
    config = json.loads((tmp_path / "dense" / "config.json").read_text())
    assert "quantization_config" not in config
    assert config["dtype"] == "bfloat16"
