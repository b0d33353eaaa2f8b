"""What a compression will need is said before it begins, and holds."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from formats.errors import CheckpointError
from sw_runtime.compress import estimate as estimate_module
from sw_runtime.compress.estimate import LIBRARIES, Estimate, estimate, in_words
from sw_runtime.compress.folder import compress
from sw_runtime.compress.plan import Request, plan
from sw_runtime.nn.folder import describe
from tests.sw_runtime.compress.conftest import FIRST_LAYER, llama_to_compress


def estimate_of(
    source: Path,
    format: str = "trellis-4bit",
    calibration_text: str | Path | None = None,
    modules: str | None = None,
    fp16: str | None = None,
) -> Estimate:
    request = Request(format, calibration_text, None, modules, fp16, allow_partial=False, polish=0)
    return estimate(plan(source, None, request))


@pytest.mark.parametrize("modules", [None, FIRST_LAYER])
def test_the_bytes_of_the_result_are_what_is_written(modules: str | None, source: Path, tmp_path: Path) -> None:
    found = estimate_of(source, modules=modules)
    output = compress(source, tmp_path / "out", modules=modules, progress=False)
    contents = describe(output)
    assert found.result == sum(tensor.nbytes for tensor in load_file(output / "model.safetensors").values())
    assert found.disk == found.result + contents.layer_bytes
    assert sum(found.layers.values()) == len(contents.layers)


def test_nothing_is_written(source: Path) -> None:
    before = sorted(source.parent.rglob("*"))
    estimate_of(source)
    assert sorted(source.parent.rglob("*")) == before


def test_layers_formats_and_what_stays_dense_are_named(source: Path) -> None:
    found = estimate_of(source, "scaled-3bit", fp16="lm_head")
    assert found.layers == {"scaled-3bit": 14, "fp16": 1}
    assert "embeddings, rows are looked up" in found.coverage


def test_time_grows_with_the_weights(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate_module, "_timed", lambda work: 1.0)
    whole, part = (estimate_of(source, "scaled-4bit", modules=modules) for modules in (None, "layers"))
    chosen = [module.weight for module in llama_to_compress().modules() if isinstance(module, torch.nn.Linear)]
    weights = sum(weight.numel() for weight in chosen)
    head = llama_to_compress().lm_head.weight.numel()
    assert part.seconds["search"] / whole.seconds["search"] == pytest.approx((weights - head) / weights)


def test_a_text_costs_time_and_memory(source: Path, text: Path) -> None:
    plain, calibrated = estimate_of(source), estimate_of(source, calibration_text=text)
    written = estimate_of(source, calibration_text="self")
    assert plain.seconds.keys() == {"search"}
    assert calibrated.seconds.keys() == {"search", "running the text", "statistics"}
    assert written.seconds.keys() - calibrated.seconds.keys() == {"writing the text"}
    assert LIBRARIES < plain.memory < calibrated.memory


def test_what_cannot_be_compressed_is_refused_as_by_the_compression(source: Path) -> None:
    with pytest.raises(CheckpointError, match="no linear layer's name matches 'conv'"):
        estimate_of(source, modules="conv")


def test_the_words_say_time_memory_disk_and_layers() -> None:
    found = Estimate(3 * 10**9, 2 * 10**9, 10**9, {"search": 5400.0, "statistics": 0.1}, {"fp16": 2}, "all of it")
    time, *others = str(found).splitlines()
    assert time.startswith("time: about 1.5 h on ")
    assert time.endswith(" cores (search 1.5 h)")
    assert others == [
        "memory: about 3.0 GB",
        "disk: 2.00 GB while it works, 1.00 GB of weights at the end",
        "layers: 2 in fp16",
        "all of it",
    ]


def test_durations_are_in_the_unit_that_suits_them() -> None:
    assert [in_words(seconds) for seconds in (0.2, 59.4, 90.0, 7200.0)] == ["1 s", "59 s", "1.5 min", "2.0 h"]


def test_a_run_says_the_time_beforehand(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compress(source, tmp_path / "out", modules=FIRST_LAYER)
    first = capsys.readouterr().err.split("about", 1)[1].splitlines()[0]
    assert first.endswith("from beginning to end")
