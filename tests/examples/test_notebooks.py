"""The notebooks of ``examples/`` run from the first cell to the last."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[2] / "examples"


def printed(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the cells of a notebook print; an error in one is raised."""
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent))
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    assert not [cell for cell in notebook.cells if cell.get("outputs")], "notebooks are kept without outputs"
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(EXAMPLES)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs if output.get("name") == "stdout")


def test_fewer_bits_lose_more(monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed("compress_and_compare.ipynb", monkeypatch)
    assert "trellis-4bit 15 layers, 4.229 bits per weight\ntrellis-2bit 15 layers, 2.229 bits per weight\n" in text
    assert text.endswith(" bytes of weights\n")


def test_a_lanes_signals_are_read_from_its_waveform(monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed("watch_a_lane.ipynb", monkeypatch)
    assert text.startswith("16 of 16 sums equal")
    assert len(text.splitlines()) == 1 + 1 + 16
