"""``seedloom release``: one folder of bitstreams, reports and images, whole or not at all."""

import hashlib
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

import synth.flow
from seedloom.cli import app
from sw_runtime.decoder.image.file import Image
from synth.bitstream import build
from tests.synth.bitstream.test_build import ToolsAtHand

BOARDS = ("--board", "ulx3s-25f", "--board", "ulx3s-85f")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, in which the tools answer at once and reach 106 MHz."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(build, "netlist", lambda order: ("rtlil", "", "106.0"))
    monkeypatch.setattr(synth.flow, "Flow", ToolsAtHand)
    return tmp_path


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["release", *arguments, "--seeds", "1"])
    return result.exit_code, result.stdout, result.stderr


def test_a_release_has_bitstreams_reports_images_hashes_and_a_page(folder: Path, scaled_folder: Path) -> None:
    status, said, errors = run("out", *BOARDS, "--image", str(scaled_folder))
    assert status == 0, errors
    assert said == "out: ulx3s-25f, ulx3s-85f; images: 1; `sha256sum -c hashes.txt`\n"
    image = f"{scaled_folder.name}-ulx3s-32mb.img"
    boards = [f"ulx3s-{size}{end}" for size in ("25f", "85f") for end in build_endings()]
    assert sorted(os.listdir("out")) == sorted(["README.md", "hashes.txt", image, *boards])
    assert (folder / "out" / "ulx3s-85f.bit").read_bytes() == Path(
        "build/bitstream/ulx3s-85f/seedloom.bit"
    ).read_bytes()
    assert Image.load(Path("out") / image).contents.board == "ulx3s-32mb"
    listed = dict(reversed(line.split("  ")) for line in Path("out/hashes.txt").read_text().splitlines())
    assert sorted(listed) == sorted({*os.listdir("out")} - {"hashes.txt"})
    for name, digest in listed.items():
        assert hashlib.sha256((Path("out") / name).read_bytes()).hexdigest() == digest
    page = Path("out/README.md").read_text()
    row = "| ulx3s-85f | LFE5U-85F-6 | ulx3s-32mb | scaled-4bit | 100 MHz | 106.0 MHz | "
    assert f"{row}`openFPGALoader --board ulx3s ulx3s-85f.bit` |" in page
    assert f"* `{image}`" in page


def build_endings() -> tuple[str, ...]:
    return (".bit", ".svf", "-report.html", "-report.json")


def test_without_models_the_page_names_no_image(folder: Path) -> None:
    assert run("out", "--board", "ulx3s-25f", "--board", "ulx3s-25f")[0] == 0
    assert "image" not in Path("out/README.md").read_text()


def test_a_clock_that_is_missed_leaves_no_release(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "netlist", lambda order: ("rtlil", "", "99.0"))
    status, _, errors = run("out", "--board", "ulx3s-25f")
    assert status == 1
    assert "ulx3s-25f needs 100 MHz and seed 1 reaches 99.0" in errors
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "a release has at least one board: name it with --board ulx3s-85f"),
        (["--board", "ulx3s"], "no bitstream is made for board 'ulx3s'; choose from ulx3s-25f, ulx3s-45f, ulx3s-85f"),
        ([*BOARDS, "--mhz", "80"], "--mhz must be 25, or a multiple of 25 from 75 to 200, not 80"),
        ([*BOARDS, "--image", "a/x", "--image", "b/x"], "a/x and b/x would have images of one name; rename one of"),
        ([*BOARDS, "--image", "none"], "none"),
        (["--board", "ulx3s-25f", "--decoder", "--format", "trellis-4bit"], "--decoder of ulx3s-25f must be left out"),
    ],
)
def test_what_cannot_be_released_is_one_line_before_the_tools_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setattr(build, "netlist", None)
    status, _, errors = run("out", *arguments)
    assert status == 1
    (line,) = (line for line in errors.splitlines() if line.startswith("error"))
    assert message in line
    assert not Path("out").exists()


def test_a_folder_that_is_there_is_not_written_over(folder: Path) -> None:
    (folder / "out").mkdir()
    status, _, errors = run("out", "--board", "ulx3s-25f")
    assert (status, "out is there already; choose another name, or delete it" in errors) == (1, True)


@pytest.mark.parametrize("option", ["--bitstreams", "--cache"])
def test_a_folder_for_the_tools_that_cannot_be_is_named_with_a_remedy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    (folder / "file").touch()
    monkeypatch.setattr(build, "netlist", None)
    status, _, errors = run("out", "--board", "ulx3s-25f", option, "file")
    refusal = "error: file cannot be written (File exists); name a place that exists and that you may write to\n"
    assert (status, errors) == (1, refusal)
    assert not Path("out").exists()
