"""The kernel is compiled once, for this processor, and says what it needs."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from formats.block import BlockFormat
from formats.errors import DependencyError
from formats.presets import PRESETS
from sw_runtime.cache import cache_folder
from sw_runtime.search import kernel

FORMAT = PRESETS["scaled-3bit"]


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEEDLOOM_CACHE", str(tmp_path))
    return tmp_path


def test_the_cache_is_where_the_environment_says(empty_cache: Path) -> None:
    assert cache_folder("models") == empty_cache / "models"
    assert (empty_cache / "models").is_dir()


def test_the_cache_is_in_the_home_folder_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEDLOOM_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("kernels") == tmp_path / ".cache" / "seedloom" / "kernels"


def test_a_kernel_is_compiled_once(empty_cache: Path) -> None:
    library = kernel.build(FORMAT)
    compiled = library.stat().st_mtime_ns
    assert kernel.build(FORMAT) == library
    assert library.stat().st_mtime_ns == compiled
    assert list(library.parent.iterdir()) == [library]


def test_every_format_has_its_own_kernel(empty_cache: Path) -> None:
    assert kernel.build(FORMAT) != kernel.build(PRESETS["scaled-2bit"])


def test_two_builds_at_once_leave_one_library(empty_cache: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(kernel.build, [FORMAT, FORMAT])
    assert first == second
    assert list(first.parent.iterdir()) == [first]


def test_a_missing_compiler_is_named_with_the_remedy(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(empty_cache))
    with pytest.raises(DependencyError, match=r"no C compiler found.*install gcc.*or set CC"):
        kernel.build(FORMAT)


def test_a_compiler_that_cannot_run_is_named(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -O1")
    with pytest.raises(DependencyError, match=r"cannot run the C compiler 'no-such-compiler'.*install gcc or set CC"):
        kernel.build(FORMAT)


def test_a_compiler_that_fails_is_named(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "false")
    with pytest.raises(DependencyError, match=r"'false' cannot compile search\.c; try another compiler"):
        kernel.build(FORMAT)


def test_a_format_without_a_residual_is_refused() -> None:
    square = BlockFormat("square", 4, 4, 8, 0, 3, entry_bits=2, odd_coefficients=True)
    with pytest.raises(ValueError, match="square has 4 for 4"):
        kernel.encode_blocks(square)
