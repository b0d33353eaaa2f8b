from pathlib import Path

import pytest

from sw_runtime import cores, memory
from sw_runtime.memory import memory_bytes


@pytest.fixture(autouse=True)
def machine_of_sixteen_megabytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory.os, "sysconf", lambda name: 4096)
    monkeypatch.setattr(cores, "CONTROL_GROUPS", tmp_path)


def test_without_a_container_it_is_the_machines() -> None:
    assert memory_bytes() == 4096 * 4096


@pytest.mark.parametrize(("limit", "expected"), [("max", 1 << 24), ("1048576", 1 << 20), (f"{1 << 40}", 1 << 24)])
@pytest.mark.parametrize("file", memory.LIMITS)
def test_a_containers_limit_is_kept(file: str, limit: str, expected: int, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(f"{limit}\n")
    assert memory_bytes() == expected
