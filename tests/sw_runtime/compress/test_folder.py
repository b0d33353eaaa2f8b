"""A model folder in, a complete folder of seeds out."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from formats.errors import InputError
from formats.matrices import EncodedMatrix
from formats.presets import PRESETS
from formats.storage import unpack_rows
from golden_models.seedlm.codec import decode
from sw_runtime.compress import result as result_module
from sw_runtime.compress.folder import compress
from sw_runtime.nn.folder import verify
from sw_runtime.nn.quantizer import QUANT_METHOD
from tests.models import tiny_llama
from tests.sw_runtime.compress.conftest import FIRST_LAYER, config, llama_to_compress


def relative_error(output: Path, name: str, dense: torch.Tensor) -> float:
    tensors, block_format = (
        load_file(output / "model.safetensors"),
        PRESETS[config(output)["quantization_config"]["format"]],
    )
    words = unpack_rows(tensors[f"{name}.weight"], block_format, dense.shape[1])
    matrix = EncodedMatrix(block_format, words, tensors[f"{name}.weight_scale"].float(), dense.shape[1])
    return ((decode(matrix) - dense).norm() / dense.norm()).item()


@pytest.mark.parametrize(("format", "error"), [("scaled-4bit", 0.1), ("paper-4bit", 0.14)])
def test_every_linear_layer_and_the_head_decode_to_their_weights(
    source: Path, tmp_path: Path, format: str, error: float
) -> None:
    output = compress(source, tmp_path / "out", format)
    model = llama_to_compress()
    linear = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    assert config(output)["quantization_config"] == {
        "quant_method": QUANT_METHOD,
        "format": format,
        "modules": dict.fromkeys(linear, format),
    }
    for name in linear:
        assert relative_error(output, name, model.get_submodule(name).weight.detach()) < error


def test_stored_tensors_are_packed_bytes_scales_and_the_rest_unchanged(source: Path, tmp_path: Path) -> None:
    tensors = load_file(compress(source, tmp_path / "out") / "model.safetensors")
    dense = load_file(source / "model.safetensors")
    assert tensors["model.layers.0.mlp.down_proj.weight"].shape == (32, 24)
    assert tensors["model.layers.0.mlp.down_proj.weight"].dtype == torch.uint8
    assert tensors["model.layers.0.mlp.down_proj.weight_scale"].dtype == torch.bfloat16
    assert torch.equal(tensors["model.norm.weight"], dense["model.norm.weight"])
    assert not (tmp_path / "out" / ".partial").exists()


def test_a_compressed_head_is_no_longer_tied_to_the_embedding(source: Path, tmp_path: Path) -> None:
    output = compress(source, tmp_path / "out")
    dense = load_file(source / "model.safetensors")["model.embed_tokens.weight"]
    assert config(output)["tie_word_embeddings"] is False
    assert torch.equal(load_file(output / "model.safetensors")["model.embed_tokens.weight"], dense)


def test_only_layers_that_match_are_compressed(source: Path, tmp_path: Path) -> None:
    output = compress(source, tmp_path / "out", modules=FIRST_LAYER)
    tensors = load_file(output / "model.safetensors")
    assert tensors["model.layers.0.mlp.up_proj.weight"].dtype == torch.uint8
    assert tensors["model.layers.1.mlp.up_proj.weight"].dtype == torch.float32
    assert config(output)["tie_word_embeddings"] is True
    assert "lm_head.weight" not in tensors


def test_the_other_files_of_the_folder_come_along(source: Path, tmp_path: Path) -> None:
    output = compress(source, tmp_path / "out", modules=FIRST_LAYER)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"):
        assert (output / name).read_bytes() == (source / name).read_bytes()


def test_the_result_vouches_for_itself_and_for_what_it_writes(source: Path, tmp_path: Path) -> None:
    output = compress(source, tmp_path / "out", modules=FIRST_LAYER)
    assert {"checksums.json", "golden_tokens.json"} < {path.name for path in output.iterdir()}
    assert not list(output.glob("*.tmp"))
    verify(output, run=True)


def test_a_body_without_a_head_has_no_golden_tokens(tmp_path: Path) -> None:
    output = compress(llama_to_compress().model, tmp_path / "out", modules=FIRST_LAYER)
    assert not (output / "golden_tokens.json").exists()
    verify(output)


def test_checksums_are_written_last(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    def write(path: Path, text: str) -> None:
        written.append(path.name)
        path.write_text(text)

    monkeypatch.setattr(result_module, "write_file", write)
    monkeypatch.setattr(result_module, "golden_tokens", lambda folder: {})
    compress(source, tmp_path / "out", modules=FIRST_LAYER)
    assert written == ["report.json", "config.json", "README.md", "golden_tokens.json", "checksums.json"]


def test_a_loaded_model_gives_the_folders_bytes(source: Path, text: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(source)
    one = compress(source, tmp_path / "one", calibration_text=text, modules=FIRST_LAYER)
    two = compress(
        llama_to_compress(), tmp_path / "two", calibration_text=text, modules=FIRST_LAYER, tokenizer=tokenizer
    )
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()
    assert (two / "tokenizer.json").exists()


def test_half_bit_trellises_share_out_the_bits_and_the_folder_is_sound(
    source: Path, text: Path, tmp_path: Path
) -> None:
    output = compress(source, tmp_path / "out", calibration_text=text, bits=3.2, progress=False)
    contents = verify(output, progress=False)
    assert {"trellis-2.5bit", "trellis-3.5bit"} & {layer.format for layer in contents.layers}
    half_a_bit = 0.5 * max(layer.rows * layer.columns for layer in contents.layers) / contents.weights
    assert 3.2 - half_a_bit < contents.bits_per_weight <= 3.2


def test_bits_are_shared_out_between_formats(source: Path, text: Path, tmp_path: Path) -> None:
    output = compress(source, tmp_path / "out", calibration_text=text, bits=3.8)
    formats = config(output)["quantization_config"]["modules"]
    assert len(set(formats.values())) > 1
    stored = load_file(output / "model.safetensors")
    size = sum(stored[f"{name}.weight"].nbytes + stored[f"{name}.weight_scale"].nbytes for name in formats)
    weights = sum(llama_to_compress().get_submodule(name).weight.numel() for name in formats)
    assert 8 * size / weights <= 3.8


def test_the_report_says_how_every_layer_was_encoded_and_how_well(source: Path, text: Path, tmp_path: Path) -> None:
    output = compress(source, tmp_path / "out", calibration_text=text, modules=FIRST_LAYER)
    layers = json.loads((output / "report.json").read_text())["layers"]
    assert set(layers) == set(config(output)["quantization_config"]["modules"])
    for layer in layers.values():
        assert (layer["format"], layer["method"]) == ("trellis-4bit", "feedback")
        assert 0 < layer["held_out_error"] < 0.12


@pytest.mark.parametrize("calibrated", [True, False])
def test_layers_named_for_fp16_keep_their_weights_and_load(
    source: Path, text: Path, tmp_path: Path, calibrated: bool
) -> None:
    output = compress(source, tmp_path / "out", calibration_text=text if calibrated else None, fp16="lm_head|down")
    formats = config(output)["quantization_config"]["modules"]
    assert {name for name, format in formats.items() if format == "fp16"} == {
        "lm_head",
        "model.layers.0.mlp.down_proj",
        "model.layers.1.mlp.down_proj",
    }
    model = AutoModelForCausalLM.from_pretrained(output)
    expected = llama_to_compress().model.layers[1].mlp.down_proj.weight.detach().half()
    assert torch.equal(model.model.layers[1].mlp.down_proj.decoded(torch.float16), expected)


def test_a_weight_that_is_not_finite_is_named(tmp_path: Path) -> None:
    model = llama_to_compress()
    model.model.layers[1].mlp.up_proj.weight.data[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"model\.layers\.1\.mlp\.up_proj\.weight holds NaN or infinity"):
        compress(model, tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"format": "int4"}, ValueError, "format must be one of paper-4bit.*not 'int4'"),
        ({"bits": float("nan")}, ValueError, "bits must be what trellis-2bit to trellis-4bit take, .* not nan"),
        (
            {"bits": 99},
            ValueError,
            "bits must be what trellis-2bit to trellis-4bit take, 2 to 4 per weight and 16 more per row for its scale",
        ),
        (
            {"bits": 2, "format": "paper-3bit"},
            ValueError,
            "bits must be what scaled-2bit to scaled-4bit .*not 2",
        ),
        ({"tokenizer": "gpt2"}, ValueError, "tokenizer must be a tokenizer of transformers, not 'gpt2'"),
        ({"bits": "3.5"}, ValueError, "bits must be int or float or None, not '3.5'"),
        ({"bits": 3.5}, ValueError, "bits are shared out by measured sensitivity; give a calibration text as well"),
        (
            {"format": "palette-4bit", "bits": 3.5, "calibration_text": "text.txt"},
            ValueError,
            "palette-4bit has no formats to mix to a number of bits",
        ),
        ({"modules": "conv"}, ValueError, "no linear layer's name matches 'conv'; the model has model.layers.0"),
        ({"source": "nowhere"}, FileNotFoundError, "there is no 'nowhere' here; name a model's folder"),
        (
            {"calibration_text": "nowhere.txt"},
            FileNotFoundError,
            "no calibration text 'nowhere.txt'; give a plain-text",
        ),
    ],
)
def test_bad_arguments_are_named(
    source: Path, tmp_path: Path, arguments: dict[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        compress(**{"source": source, "output": tmp_path / "out", **arguments})
    assert not (tmp_path / "out").exists()


def test_calibration_without_a_tokenizer_is_named(text: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a calibration text needs the model's tokenizer; copy its files"):
        compress(llama_to_compress(), tmp_path / "out", calibration_text=text)


def test_a_text_too_short_is_named_before_anything_is_written(source: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.txt"
    short.write_text("w3 w7")
    with pytest.raises(ValueError, match=r"short\.txt has 2 tokens; give a text of at least"):
        compress(source, tmp_path / "out", calibration_text=short)
    assert not (tmp_path / "out").exists()


def test_bits_without_a_layer_to_share_them_are_refused(source: Path, text: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"fp16 '\.' keeps every layer, so bits have none to share; leave one"):
        compress(source, tmp_path / "out", calibration_text=text, bits=3.3, fp16=".")


@pytest.mark.parametrize("shown", [True, False])
def test_progress_is_shown_unless_it_is_turned_off(
    shown: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compress(llama_to_compress(), tmp_path / "output", "scaled-3bit", modules=FIRST_LAYER, progress=shown)
    printed = capsys.readouterr().err
    assert "seed search" in printed if shown else printed == ""


@pytest.mark.parametrize("option", ["modules", "fp16"])
def test_what_is_no_regular_expression_is_refused(option: str, source: Path, tmp_path: Path) -> None:
    message = rf"{option} 'layers\.\*\*' is no regular expression \(multiple repeat .*\); put a backslash before"
    with pytest.raises(InputError, match=message):
        compress(source, tmp_path / "output", **{option: "layers.**"})


def test_windows_of_a_text_are_no_longer_than_the_models_positions(text: Path, source: Path, tmp_path: Path) -> None:
    short = tiny_llama(max_position_embeddings=40)
    output = compress(
        short,
        tmp_path / "out",
        calibration_text=text,
        modules=FIRST_LAYER,
        tokenizer=AutoTokenizer.from_pretrained(source),
    )
    assert verify(output).layers


def test_a_layer_whose_inputs_overflow_is_named(text: Path, source: Path, tmp_path: Path) -> None:
    model, tokenizer = llama_to_compress(), AutoTokenizer.from_pretrained(source)
    model.model.layers[0].input_layernorm.weight.data.mul_(1e38)
    with pytest.raises(InputError, match=r"layers\.0\..*: its inputs overflow on the calibration text"):
        compress(model, tmp_path / "out", calibration_text=text, modules=FIRST_LAYER, tokenizer=tokenizer)


def test_a_shard_needs_a_byte(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="shard_bytes must be at least 1, not 0"):
        compress(tmp_path, tmp_path / "out", shard_bytes=0)


@pytest.mark.parametrize(
    ("polish", "text", "fault"),
    [
        (-1, "packaged", "polish must be a number of steps, 0 for none, not -1"),
        (8, None, "polish trains on the calibration text; give one as well"),
    ],
)
def test_polish_needs_steps_and_a_text(polish: int, text: str | None, fault: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=fault):
        compress(tmp_path, tmp_path / "out", polish=polish, calibration_text=text)


def test_polish_is_written_before_the_golden_tokens_and_the_checksums(source: Path, text: Path, tmp_path: Path) -> None:
    output = compress(source, tmp_path / "out", modules=FIRST_LAYER, calibration_text=text, polish=2, progress=False)
    assert json.loads((output / "report.json").read_text())["polish"]["steps"] == 2
    verify(output, run=True)


def test_polish_of_a_model_that_writes_no_text_is_refused_before_the_search(text: Path, tmp_path: Path) -> None:
    body = llama_to_compress().model
    with pytest.raises(InputError, match="polish needs a causal language model, which LlamaModel is not; leave it out"):
        compress(body, tmp_path / "out", calibration_text=text, polish=2)


@pytest.mark.parametrize("put", [lambda path: path.write_text("a tale"), lambda path: path.symlink_to("nowhere")])
def test_what_is_no_folder_in_the_place_of_the_output_is_named(put: Callable[[Path], object], tmp_path: Path) -> None:
    put(tmp_path / "out")
    with pytest.raises(FileExistsError, match=r"out is no folder; choose a folder that is new or empty"):
        compress("nowhere", tmp_path / "out")
