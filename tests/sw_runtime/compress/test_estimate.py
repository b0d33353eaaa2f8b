"""What a compression will need is said before it begins, and holds."""

from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import LlamaForCausalLM

from formats.errors import CheckpointError
from sw_runtime.compress.estimate import LIBRARIES, Estimate, estimate, in_words, peak_memory
from sw_runtime.compress.folder import compress
from sw_runtime.compress.plan import Request, plan
from sw_runtime.export.folder import export
from sw_runtime.gguf_models import folder_of_gguf
from sw_runtime.nn.folder import describe
from tests.sw_runtime.compress.conftest import FIRST_LAYER
from tests.sw_runtime.export.conftest import write_compressed


def estimate_of(
    source: Path,
    format: str = "trellis-4bit",
    calibration_text: str | Path | None = None,
    modules: str | None = None,
    fp16: str | None = None,
    bits: float | None = None,
) -> Estimate:
    request = Request(format, calibration_text, bits, modules, fp16, allow_partial=False, polish=0)
    return estimate(plan(source, None, request, dry=True))


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


def test_where_bits_are_shared_out_the_formats_to_choose_from_are_named(source: Path, text: Path) -> None:
    found = estimate_of(source, "scaled-4bit", text, fp16="lm_head", bits=3.4)
    assert found.layers == {"scaled-2bit or scaled-3bit or scaled-4bit": 14, "fp16": 1}


def test_memory_is_what_the_parts_take_together(source: Path, text: Path) -> None:
    plain, calibrated = estimate_of(source), estimate_of(source, calibration_text=text)
    assert LIBRARIES < plain.peak < calibrated.peak
    assert plain.memory["statistics"] == plain.memory["hidden states"] == 0
    assert calibrated.memory["3 x the largest matrix"] == 3 * 4 * 120 * 32
    assert calibrated.memory["hidden states"] == 8 * 32 * 512 * 48 * 4
    assert calibrated.peak == sum(calibrated.memory.values())


def test_a_palette_takes_more_copies(source: Path) -> None:
    assert estimate_of(source, "palette-4bit").memory["6 x the largest matrix"] == 6 * 4 * 120 * 32


@pytest.mark.parametrize(("columns", "matrices"), [(1024, 42 * 3 + 2), (32768, 3 + 2)])
def test_statistics_are_those_of_the_groups_searched_side_by_side(columns: int, matrices: int) -> None:
    found = peak_memory(columns**2, columns, 1, 2, threads=64)
    assert found["statistics"] == matrices * 8 * columns**2


def test_what_cannot_be_compressed_is_refused_as_by_the_compression(source: Path) -> None:
    with pytest.raises(CheckpointError, match="no linear layer's name matches 'conv'"):
        estimate_of(source, modules="conv")


def test_the_words_say_time_memory_disk_and_layers() -> None:
    memory = {"libraries": 10**9, "statistics": 2 * 10**9, "hidden states": 0}
    found = Estimate(memory, 2 * 10**9, 0, 10**9, {"search": 5400.0, "statistics": 0.1}, {"fp16": 2}, "all of it")
    time, *others = str(found).splitlines()
    assert time.startswith("time: about 1.5 h on ")
    assert time.endswith(" cores (search 1.5 h)")
    assert others == [
        "memory: at most 3.0 GB (1.0 GB libraries + 2.0 GB statistics)",
        "disk: 2.00 GB while it works, 1.00 GB of weights at the end",
        "layers: 2 in fp16",
        "all of it",
    ]


def test_a_gguf_file_is_reckoned_by_its_header_and_not_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDLOOM_CACHE", str(tmp_path / "cache"))
    compressed = write_compressed(tmp_path / "model", LlamaForCausalLM)
    file = export(compressed, tmp_path / "tiny.gguf", "gguf")
    found = estimate_of(file)
    assert not (tmp_path / "cache" / "models").exists()
    assert f"{found.converted / 1e9:.2f} GB in the cache, to which the GGUF file is converted first" in str(found)
    converted = folder_of_gguf(file)
    assert found.converted == sum(tensor.nbytes for tensor in load_file(converted / "model.safetensors").values())
    again = estimate_of(converted)
    assert (again.converted, again.result, again.layers) == (0, found.result, found.layers)


def test_durations_are_in_the_unit_that_suits_them() -> None:
    assert [in_words(seconds) for seconds in (0.2, 59.4, 90.0, 7200.0)] == ["1 s", "59 s", "1.5 min", "2.0 h"]


def test_a_run_says_the_time_beforehand(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compress(source, tmp_path / "out", modules=FIRST_LAYER)
    first = capsys.readouterr().err.split("about", 1)[1].splitlines()[0]
    assert first.endswith("from the beginning; reading and checking the files comes on top")
