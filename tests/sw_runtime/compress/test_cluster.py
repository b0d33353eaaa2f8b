"""A compression on a cluster writes what one process writes."""

from pathlib import Path

from sw_runtime.compress.folder import compress


def test_the_folder_is_that_of_one_process(source: Path, tmp_path: Path) -> None:
    one, many = compress(source, tmp_path / "one", progress=False), tmp_path / "many"
    compress(source, many, cluster="auto", progress=False)
    written = [path.relative_to(one) for path in one.rglob("*") if path.is_file()]
    assert written
    assert [(one / path).read_bytes() for path in written] == [(many / path).read_bytes() for path in written]
