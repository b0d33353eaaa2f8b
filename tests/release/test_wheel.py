"""What is released: a wheel with every file of the packages, and one version."""

import subprocess
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

import seedloom

ROOT = Path(__file__).parents[2]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
    "packages"
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, made by hatchling as ``python -m build`` makes it."""
    return Path(next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("dist")))))


def files_of(packages: list[str]) -> set[str]:
    """Files of the source tree's packages, data files too."""
    files = (file for package in packages for file in (ROOT / package).rglob("*") if file.is_file())
    return {file.relative_to(ROOT).as_posix() for file in files if "__pycache__" not in file.parts}


def test_the_wheel_has_every_file_of_the_packages_and_no_other(wheel: Path) -> None:
    expected = files_of(PACKAGES)
    assert {"sw_runtime/search/search.c", "sw_runtime/serve/page.html", "hw/py.typed"} <= expected
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert found == expected
        for name in found:
            assert archive.read(name) == (ROOT / name).read_bytes(), name


def test_every_room_of_the_tree_is_packaged() -> None:
    rooms = {file.parent.name for file in ROOT.glob("*/__init__.py")}
    assert rooms == set(PACKAGES)


def test_the_wheel_has_the_packages_version_and_its_command(wheel: Path) -> None:
    information = f"seedloom-{seedloom.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        assert f"\nVersion: {seedloom.__version__}\n" in archive.read(f"{information}/METADATA").decode()
        entry_points = archive.read(f"{information}/entry_points.txt").decode()
    assert "seedloom = seedloom.cli:main" in entry_points
    assert "emulated = sw_runtime.device.emulated:EmulatedDevice" in entry_points


def test_the_source_archive_has_what_a_build_and_the_tests_need(tmp_path: Path) -> None:
    archive = next(SdistBuilder(str(ROOT)).build(directory=str(tmp_path)))
    with tarfile.open(archive) as contents:
        names = {name.partition("/")[2] for name in contents.getnames()}
    needed = {"Makefile", "README.md", "CHANGELOG.md", "LICENSE", "constraints.txt", "docs/index.md", "mkdocs.yml"}
    assert files_of([*PACKAGES, "tests", "examples"]) | needed <= names


def test_the_changelog_begins_with_the_version() -> None:
    versions = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")]
    assert versions[0] == f"## {seedloom.__version__}" or versions[:2] == [
        "## Unreleased",
        f"## {seedloom.__version__}",
    ]


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_the_demonstration_runs_from_the_wheel_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", with_pip=True)
    pip = [tmp_path / "environment/bin/python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "-c", ROOT / "constraints.txt", wheel], check=True, cwd=tmp_path)
    subprocess.run([*pip, "--no-deps", "-r", ROOT / "sw_runtime/texts/packages.txt"], check=True, cwd=tmp_path)
    command = [tmp_path / "environment/bin/seedloom", "demo", "--tokens", "2"]
    said = subprocess.run(command, check=True, cwd=tmp_path, stdout=subprocess.PIPE, text=True).stdout
    assert "tokens of the simulated and the emulated device: all equal (2)" in said
