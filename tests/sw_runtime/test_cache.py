import errno
import re
from pathlib import Path

import pytest

from formats.errors import InputError
from sw_runtime.cache import cache_folder, cache_written

REMEDY = "name a folder that you may write to in the environment: SEEDLOOM_CACHE=FOLDER"


def test_the_folder_is_made_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDLOOM_CACHE", str(tmp_path / "a" / "b"))
    assert cache_folder("c") == tmp_path / "a" / "b" / "c"
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_without_a_word_it_is_in_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEDLOOM_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("c") == tmp_path / ".cache" / "seedloom" / "c"


def test_a_place_that_cannot_be_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SEEDLOOM_CACHE", str(tmp_path / "file"))
    said = f"the cache {tmp_path / 'file' / 'c'} cannot be made (Not a directory); {REMEDY}"
    with pytest.raises(InputError, match=f"^{re.escape(said)}$"):
        cache_folder("c")


def test_a_user_without_a_home_is_told_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDLOOM_CACHE", "~no-such-user-at-all/cache")
    with pytest.raises(InputError, match=rf"^the cache has no place \(.*home directory.*\); {re.escape(REMEDY)}$"):
        cache_folder("c")


@pytest.mark.parametrize(("named", "place"), [(None, "/cache/kernels"), ("/cache/kernels/a.so", "/cache/kernels/a.so")])
def test_a_full_disk_under_the_cache_is_named_with_the_remedy(named: str | None, place: str) -> None:
    said = f"no space is left for {place} (No space left on device); make room, or {REMEDY}"
    with pytest.raises(InputError, match=f"^{re.escape(said)}$"), cache_written(Path("/cache/kernels")):
        raise OSError(errno.ENOSPC, "full", named)


def test_other_errors_under_the_cache_stay_as_they_are() -> None:
    with pytest.raises(PermissionError), cache_written(Path("/cache/kernels")):
        raise PermissionError(errno.EACCES, "not allowed")
