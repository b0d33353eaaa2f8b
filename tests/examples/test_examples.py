"""The scripts of ``examples/`` run as their first lines say."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from golden_models import trellis
from golden_models.trellis import integer_weights
from tests.conftest import write_tokenizer
from tests.models import tiny_llama

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(script: str, *arguments: object) -> None:
    """The script as ``python examples/SCRIPT ARGUMENTS`` runs it."""
    before, sys.argv = sys.argv, [script, *map(str, arguments)]
    try:
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
    finally:
        sys.argv = before


def test_compress_lists_the_layers_and_the_bits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "model"
    tiny_llama(num_hidden_layers=1).save_pretrained(source)
    write_tokenizer(source)
    run("compress.py", source, tmp_path / "compressed")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["model.layers.0.self_attn.q_proj", "scaled-4bit"]
    assert lines[-1].endswith("bits")


@pytest.mark.usefixtures("narrow_port")
@pytest.mark.parametrize("device", ["emulated", "simulated"])
def test_run_on_device_prints_text_and_cycles(
    tiny_model: Callable[..., Path], device: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run("run_on_device.py", tiny_model(), "w1 w2", device)
    text, cost = capsys.readouterr().out.splitlines()
    assert text.startswith("w1 w2 w")
    assert " cycles, memory port busy in " in cost


def test_router_topk_keeps_seven_tenths(capsys: pytest.CaptureFixture[str]) -> None:
    run("router_topk.py")
    assert capsys.readouterr().out.splitlines()[0] == "717 of 1024 tokens stay; the last one: True"


def test_watch_lane_fails_if_sums_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_too_large(*arguments: Any) -> Tensor:
        return integer_weights(*arguments) + 1

    monkeypatch.setattr(trellis, "integer_weights", one_too_large)
    with pytest.raises(SystemExit) as ended:
        run("watch_lane.py", tmp_path / "lane.vcd")
    assert ended.value.code == 1
    assert not capsys.readouterr().out.startswith("16 of 16 ")
