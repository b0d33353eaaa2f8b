from pathlib import Path

import pytest

from formats.errors import CheckpointError, SeedloomError
from papers import command, kept
from papers.report import Report
from tests.papers.some_papers import some_report


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Papers whose measurements are noted; their code is theirs alone."""
    calls: list[tuple[str, str]] = []

    def measure(name: str, device: str) -> Report:
        calls.append((name, device))
        return some_report(name, device)

    monkeypatch.setattr(command, "measure", measure)
    monkeypatch.setattr(kept, "digest", lambda name: f"code-of-{name}")
    return calls


def test_what_was_measured_is_kept(measured: list[tuple[str, str]], tmp_path: Path) -> None:
    reports = [kept.kept_or_measured("first", "emulated", tmp_path / "kept") for _ in range(2)]
    assert reports == [some_report("first", "emulated")] * 2
    assert measured == [("first", "emulated")]


def test_papers_devices_and_changed_code_are_kept_apart(
    measured: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [("first", "emulated"), ("second", "emulated"), ("first", "simulated")]
    for name, device in runs:
        kept.kept_or_measured(name, device, tmp_path)
    monkeypatch.setattr(kept, "digest", lambda name: "changed" if name == "first" else f"code-of-{name}")
    for name, device in runs:
        kept.kept_or_measured(name, device, tmp_path)
    assert measured == [*runs, ("first", "emulated"), ("first", "simulated")]


@pytest.mark.usefixtures("measured")
def test_a_damaged_result_is_named_with_the_remedy(tmp_path: Path) -> None:
    kept.kept_or_measured("first", "emulated", tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text("{")
    with pytest.raises(SeedloomError, match="delete it to measure again"):
        kept.kept_or_measured("first", "emulated", tmp_path)


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("text", ["{}", '{"device": "x", "findings": [], "figures": {}}', '{"findings": {"a": 3}}'])
def test_a_kept_file_that_is_no_report_is_named_with_the_remedy(text: str, tmp_path: Path) -> None:
    kept.kept_or_measured("first", "emulated", tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text(text)
    with pytest.raises(CheckpointError, match=rf"^{file} is no report of a paper; delete it to measure again$"):
        kept.kept_or_measured("first", "emulated", tmp_path)


def test_a_result_depends_on_what_its_module_and_the_devices_import_and_on_nothing_else() -> None:
    root = Path(kept.__file__).resolve().parents[1]
    found = {path.relative_to(root).as_posix() for path in kept.sources("victor")}
    assert {
        "papers/victor.py",
        "papers/victor_training.py",
        "golden_models/victor.py",
        "sw_runtime/methods/victor/on_device.py",
        "hw/router/router.py",
        "formats/router/descriptor.py",
    } <= found
    assert {"papers/claims.py", "papers/table.py", "papers/m2r2.py", "golden_models/m2r2/exits.py"}.isdisjoint(found)
    assert any(name.endswith(".c") for name in found)


def test_any_changed_source_changes_the_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(kept.__file__).resolve().parents[1]
    path = root / "papers" / "victor.py"
    monkeypatch.setattr(kept, "sources", lambda _: [path])
    before, read = kept.digest("victor"), Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: read(self) + b"#")
    assert before != kept.digest("victor")


@pytest.mark.usefixtures("measured")
def test_a_result_is_where_it_is_looked_for(tmp_path: Path) -> None:
    file = kept.kept_file("first", "emulated", tmp_path)
    assert not file.exists()
    kept.kept_or_measured("first", "emulated", tmp_path)
    assert file.exists()
