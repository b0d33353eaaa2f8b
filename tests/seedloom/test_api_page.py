"""The blocks of docs/api.md run in their order."""

import re
from pathlib import Path

import pytest

from tests.conftest import write_tokenizer
from tests.models import tiny_llama

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def test_the_blocks_of_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_llama(num_hidden_layers=1).save_pretrained("model")
    write_tokenizer(Path("model"))
    Path("text.txt").write_text(" ".join(f"w{place % 120}" for place in range(200)))
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 6
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    printed = capsys.readouterr().out
    assert printed.startswith("8 layers at 4.")
    assert printed.endswith("model is not compressed; run `seedloom compress model OUTPUT` first\n")
    assert (tmp_path / "dense" / "model.safetensors").exists()


def test_the_pages_table_names_public_functions() -> None:
    import seedloom

    names = re.findall(r"`(\w+)\(", "".join(line for line in PAGE.read_text().splitlines() if line.startswith("|")))
    assert len(names) == 12
    assert set(names) <= set(seedloom.__all__)
