"""Blocks of rows on disk: found again by another process, and gone when their layers are finished."""

from pathlib import Path

import pytest
import torch

from sw_runtime.compress.partial import PartialResults
from sw_runtime.compress.row_parts import RowParts

WORDS = {"words": torch.arange(6).view(2, 3), "scales": torch.ones(2)}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / ".partial").glob("*.safetensors"))


def test_a_block_is_found_again_under_its_key_and_group(tmp_path: Path) -> None:
    RowParts(PartialResults(tmp_path, {}), "layers.0.up").keep("0-ab", WORDS)
    again = PartialResults(tmp_path, {})
    found = RowParts(again, "layers.0.up").find("0-ab")
    assert found is not None
    assert all(torch.equal(found[name], tensor) for name, tensor in WORDS.items())
    assert RowParts(again, "layers.0.up").find("4-ab") is None
    assert RowParts(again, "layers.1.up").find("0-ab") is None


def test_a_damaged_block_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    RowParts(PartialResults(tmp_path, {}), "up").keep("0-ab", WORDS)
    (path,) = (tmp_path / ".partial").glob("up*")
    path.write_bytes(path.read_bytes()[:-1])
    assert RowParts(PartialResults(tmp_path, {}), "up").find("0-ab") is None
    assert caplog.messages == [f"{path} is damaged and is made again"]


def test_blocks_found_or_kept_are_deleted_with_their_group_and_no_others(tmp_path: Path) -> None:
    partial = PartialResults(tmp_path, {})
    RowParts(partial, "up").keep("0-ab", WORDS)
    RowParts(partial, "down").keep("0-ab", WORDS)
    partial.save("up", WORDS, {})
    group = RowParts(partial, "up")
    group.find("0-ab")
    group.keep("2-cd", WORDS)
    group.remove()
    assert files(tmp_path) == ["down.rows-0-ab.safetensors", "up.safetensors"]
    assert group.find("0-ab") is None
