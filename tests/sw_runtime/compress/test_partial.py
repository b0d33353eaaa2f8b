"""Parts are whole or not there: a damaged one is found, said, and made again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from formats.errors import CheckpointError
from sw_runtime.compress.partial import REMOVED, PartialResults, clear

WORDS = {"weight": torch.arange(24, dtype=torch.uint8), "weight_scale": torch.ones(3)}
RECORD = {"format": "scaled-4bit", "error": 0.25}
FINGERPRINT = {"format": "scaled-4bit", "layers": ["one"]}


def kept(folder: Path, fingerprint: dict[str, Any] = FINGERPRINT) -> Path:
    PartialResults(folder, fingerprint).save("one", WORDS, RECORD)
    return folder / ".partial" / "one.safetensors"


def test_a_part_is_found_again(tmp_path: Path) -> None:
    kept(tmp_path)
    partial = PartialResults(tmp_path, FINGERPRINT)
    assert partial.has("one")
    assert not partial.has("two")
    tensors, record = partial.load("one")
    assert record == RECORD
    assert all(torch.equal(tensors[name], WORDS[name]) for name in WORDS)


def flipped(bit: int) -> Callable[[bytes], bytes]:
    def flip(data: bytes) -> bytes:
        return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]

    return flip


def test_a_part_that_is_cut_off_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = kept(tmp_path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        caplog.clear()
        partial = PartialResults(tmp_path, FINGERPRINT)
        assert not partial.has("one")
        assert not partial.has("one")
        assert [record.getMessage() for record in caplog.records] == [f"{path} is damaged and is made again"]
        assert not path.exists()


def test_any_flipped_bit_of_tensors_or_record_is_found(tmp_path: Path) -> None:
    path = kept(tmp_path)
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 5):
        path.write_bytes(flipped(bit)(whole))
        partial = PartialResults(tmp_path, FINGERPRINT)
        if partial.has("one"):  # a bit of what nobody reads, such as a space
            tensors, record = partial.load("one")
            assert record == RECORD
            assert tensors.keys() == WORDS.keys()
            assert all(torch.equal(tensors[name], WORDS[name]) for name in WORDS)
    path.write_bytes(flipped(8 * (len(whole) - 1))(whole))
    assert not PartialResults(tmp_path, FINGERPRINT).has("one")


def test_parts_of_another_fingerprint_are_refused_and_never_used(tmp_path: Path) -> None:
    path = kept(tmp_path)
    other = {**FINGERPRINT, "format": "scaled-3bit"}
    with pytest.raises(CheckpointError, match=r"parts of another compression: format differs; .* delete that folder"):
        PartialResults(tmp_path, other)
    (path.parent / "fingerprint.json").unlink()
    assert not PartialResults(tmp_path, other).has("one")


@pytest.mark.parametrize("text", ["", '{"format": ', "7", '{"bits": NaN}'])
def test_a_damaged_fingerprint_is_written_again_and_the_parts_are_kept(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = kept(tmp_path).with_name("fingerprint.json")
    whole = path.read_bytes()
    path.write_text(text)
    assert PartialResults(tmp_path, FINGERPRINT).has("one")
    assert [record.getMessage() for record in caplog.records] == [f"{path} is damaged and is written again"]
    assert path.read_bytes() == whole


def test_the_folder_is_gone_at_the_end_even_if_its_removal_was_stopped(tmp_path: Path) -> None:
    kept(tmp_path)
    (tmp_path / ".partial").rename(tmp_path / REMOVED)
    kept(tmp_path)
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".partial"]
    PartialResults(tmp_path, FINGERPRINT).remove()
    assert not list(tmp_path.iterdir())


def test_a_record_that_is_no_json_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        PartialResults(tmp_path, FINGERPRINT).save("one", WORDS, {"error": float("nan")})
