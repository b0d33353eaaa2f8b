"""A file is there whole or not at all, and what the system refuses is the system's error."""

import os
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from sw_runtime import whole_files
from sw_runtime.whole_files import write_tensors

WORDS = {"weight": torch.arange(24, dtype=torch.uint8), "weight_scale": torch.ones(3)}


def test_a_full_disk_is_an_error_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(whole_files, "save_file", full)
    with pytest.raises(OSError, match=r"\[Errno 28\] No space left on device: '.*one.safetensors'"):
        write_tensors(tmp_path / "one.safetensors", WORDS)
    assert not (tmp_path / "one.safetensors").exists()


def test_other_errors_of_safetensors_are_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise SafetensorError("unknown dtype")

    monkeypatch.setattr(whole_files, "save_file", refuse)
    with pytest.raises(SafetensorError, match="unknown dtype"):
        write_tensors(tmp_path / "one.safetensors", WORDS)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_who_may_read_a_file_of_tensors_follows_the_umask(umask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        write_tensors(tmp_path / "a.safetensors", {"a": torch.ones(3)})
    finally:
        os.umask(before)
    assert (tmp_path / "a.safetensors").stat().st_mode & 0o777 == mode
    assert list(tmp_path.iterdir()) == [tmp_path / "a.safetensors"]
