"""A compression that is stopped, repeated or begun twice: nothing finished is lost, and nothing else is touched."""

import json
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from formats.errors import InputError
from sw_runtime.compress import folder as folder_module
from sw_runtime.compress.folder import compress
from sw_runtime.compress.lock import FILE as LOCK
from sw_runtime.compress.lock import only_writer
from sw_runtime.fit import row_blocks
from sw_runtime.fit.candidates import GroupEncoder
from sw_runtime.fit.encoders import BlockEncoder, RowEncoder, TrellisEncoder
from tests.sw_runtime.compress.conftest import FIRST_LAYER, config


@pytest.mark.parametrize("format", ["scaled-4bit", "trellis-4bit"])
def test_a_rerun_after_a_stop_goes_on_and_gives_the_same_bytes(
    format: str, source: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"format": format, "calibration_text": text, "bits": 3.8, "modules": FIRST_LAYER}
    whole = compress(source, tmp_path / "whole", **asked)
    encode = GroupEncoder.encode
    calls = 0

    def stop_at_the_third(self: GroupEncoder, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return encode(self, *arguments)

    with monkeypatch.context() as stopped:
        stopped.setattr(GroupEncoder, "encode", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            compress(source, tmp_path / "resumed", **asked, threads=1)
    assert list((tmp_path / "resumed" / ".partial").glob("*proj.safetensors"))
    monkeypatch.setattr(folder_module, "measure_sensitivities", None)  # they are not measured again
    resumed = compress(source, tmp_path / "resumed", **asked)
    for path in whole.iterdir():
        assert (resumed / path.name).read_bytes() == path.read_bytes()


class RowCounter:
    """Counts the rows that an encoder searches; stops it once, before a search."""

    def __init__(self, encoder: type[RowEncoder], monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows = list[int]()
        self.stop_after: int | None = None
        search = encoder.search

        def counted(found: RowEncoder, weights: Tensor, *others: Any) -> Any:
            if len(self.rows) == self.stop_after:
                self.stop_after = None
                raise KeyboardInterrupt
            self.rows.append(len(weights))
            return search(found, weights, *others)

        monkeypatch.setattr(encoder, "search", counted)

    def taken(self) -> list[int]:
        """Rows of every search since this was last asked."""
        rows, self.rows = self.rows, []
        return rows


@pytest.mark.parametrize("calibrated", [True, False], ids=["with a text", "without"])
@pytest.mark.parametrize(("format", "encoder"), [("scaled-3bit", BlockEncoder), ("trellis-3bit", TrellisEncoder)])
def test_a_stop_between_two_blocks_of_rows_costs_no_finished_block(
    format: str,
    encoder: type[RowEncoder],
    calibrated: bool,
    source: Path,
    text: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(row_blocks, "WEIGHTS_A_BLOCK", 20 * 32)
    counter = RowCounter(encoder, monkeypatch)
    asked: dict[str, Any] = {"format": format, "calibration_text": text if calibrated else None, "threads": 1}
    asked |= {"modules": r"layers\.0\.mlp\.(gate|up)_proj", "allow_partial": True, "progress": False}
    whole = compress(source, tmp_path / "whole", **asked)
    every = counter.taken()
    assert sum(every) == 2 * 48
    counter.stop_after = 3
    with pytest.raises(KeyboardInterrupt):
        compress(source, tmp_path / "resumed", **asked)
    assert counter.taken() == every[:3]
    resumed = compress(source, tmp_path / "resumed", **asked)
    assert counter.taken() == every[3:]
    assert files(resumed) == files(whole)


def test_parts_of_another_compression_are_refused(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as stopped:
        stopped.setattr(folder_module, "encode_data_free", None)
        with pytest.raises(TypeError):
            compress(source, tmp_path / "out", "scaled-4bit")
    with pytest.raises(ValueError, match=r"parts of another compression: format differs; .* delete that folder"):
        compress(source, tmp_path / "out", "scaled-3bit")


def test_a_finished_result_is_replaced_only_when_asked(source: Path, tmp_path: Path) -> None:
    compress(source, tmp_path / "out", modules=FIRST_LAYER)
    with pytest.raises(FileExistsError, match="finished compression; choose another folder or overwrite it"):
        compress(source, tmp_path / "out", "scaled-3bit", modules=FIRST_LAYER)
    output = compress(source, tmp_path / "out", "scaled-3bit", modules=FIRST_LAYER, overwrite=True)
    assert config(output)["quantization_config"]["format"] == "scaled-3bit"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_old_result_stays_whole_until_the_new_one_is(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = compress(source, tmp_path / "out", modules=FIRST_LAYER)
    (output / "notes.txt").write_text("mine")
    before = files(output)
    with pytest.raises(InputError, match="is no regular expression"):
        compress(source, output, "scaled-3bit", modules="layers.**", overwrite=True)
    assert files(output) == before
    with monkeypatch.context() as stopped:
        stopped.setattr(folder_module, "replace", None)
        with pytest.raises(TypeError):
            compress(source, output, "scaled-3bit", modules=FIRST_LAYER, overwrite=True)
    assert {name: data for name, data in files(output).items() if not name.startswith(".partial")} == before
    (source / "chat_template.jinja").unlink()
    compress(source, output, "scaled-3bit", modules=FIRST_LAYER, overwrite=True)
    assert files(output).keys() == before.keys() - {"chat_template.jinja"}
    assert config(output)["quantization_config"]["format"] == "scaled-3bit"
    assert (output / "notes.txt").read_text() == "mine"


def test_only_one_process_writes_to_a_folder(source: Path, tmp_path: Path) -> None:
    with only_writer(tmp_path / "out"):
        with pytest.raises(InputError, match="out is being written by process"):
            compress(source, tmp_path / "out", modules=FIRST_LAYER)
        assert [path.name for path in (tmp_path / "out").iterdir()] == [LOCK]
    compress(source, tmp_path / "out", modules=FIRST_LAYER)
    assert not (tmp_path / "out" / LOCK).exists()


def test_a_result_that_another_process_finished_in_the_meantime_is_not_replaced(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*arguments: Any) -> Any:
        monkeypatch.setattr(folder_module, "plan", plan)
        compress(source, tmp_path / "out", "scaled-3bit", modules=FIRST_LAYER)
        return plan(*arguments)

    plan = folder_module.plan
    monkeypatch.setattr(folder_module, "plan", slow)
    with pytest.raises(FileExistsError, match="finished compression"):
        compress(source, tmp_path / "out", modules=FIRST_LAYER)
    assert config(tmp_path / "out")["quantization_config"]["format"] == "scaled-3bit"


def test_a_damaged_part_is_made_again_and_never_carried_into_the_result(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = compress(source, tmp_path / "whole", modules=FIRST_LAYER)
    with monkeypatch.context() as stopped:
        stopped.setattr(folder_module, "replace", None)
        with pytest.raises(TypeError):
            compress(source, tmp_path / "out", modules=FIRST_LAYER)
    part = next((tmp_path / "out" / ".partial").glob("*up_proj.safetensors"))
    data = part.read_bytes()
    part.write_bytes(data[:-9] + bytes([data[-9] ^ 4]) + data[-8:])
    compress(source, tmp_path / "out", modules=FIRST_LAYER)
    said = [record.getMessage() for record in caplog.records if record.name.startswith("seedloom")]
    assert said == [f"{part} is damaged and is made again"]
    assert files(tmp_path / "out") == files(whole)


@pytest.mark.parametrize(
    ("name", "differs"), [("config.json", "configuration"), ("tokenizer_config.json", "tokenizer")]
)
def test_a_source_whose_settings_changed_is_another_one(
    name: str, differs: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as stopped:
        stopped.setattr(folder_module, "encode_data_free", None)
        with pytest.raises(TypeError):
            compress(source, tmp_path / "out")
    settings = json.loads((source / name).read_text())
    settings |= {"max_position_embeddings": 256} if name == "config.json" else {"model_max_length": 256}
    (source / name).write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=f"parts of another compression: {differs} differs"):
        compress(source, tmp_path / "out")


def test_what_a_process_left_that_was_killed_at_the_very_end_is_cleared(source: Path, tmp_path: Path) -> None:
    output = compress(source, tmp_path / "out", modules=FIRST_LAYER)
    before = files(output)
    (output / ".partial-done").mkdir()
    (output / ".partial-done" / "part").write_text("")
    (output / LOCK).write_text("")
    with pytest.raises(FileExistsError, match="finished compression"):
        compress(source, output, modules=FIRST_LAYER)
    assert files(output) == before


def test_a_folder_of_other_files_is_never_replaced(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds other files; choose a folder that is new or empty"):
        compress(source, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "letter.txt").exists()
