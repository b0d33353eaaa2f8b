import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seedloom.cli import app


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["serve", *arguments])
    assert result.exit_code == 1, result.output
    return result.stderr.splitlines()[-1]


def test_without_its_packages_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "sw_runtime.serve.server", raising=False)
    assert refused("folder") == "error: seedloom serve needs uvicorn: pip install 'seedloom[serve]'"


def test_an_address_that_others_reach_needs_a_key_before_anything_is_loaded() -> None:
    assert refused("folder", "--host", "0.0.0.0") == (
        "error: 0.0.0.0 is open to other machines, and there is no key; set SEEDLOOM_KEY to one"
    )


@pytest.mark.parametrize("key", ["", "a\nb", "schlüssel"])
def test_a_key_that_no_header_carries_is_refused(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDLOOM_KEY", key)
    assert refused("folder", "--port", "0") == (
        "error: SEEDLOOM_KEY is empty or has characters that no header carries; use letters and digits"
    )


def test_a_folder_that_is_none_is_refused() -> None:
    assert refused("no-such-folder", "--port", "0") == (
        "error: no-such-folder is not a folder; name one that `seedloom compress` wrote"
    )


def test_limits_that_the_model_has_no_room_for_are_refused(chatting: Path) -> None:
    assert refused(str(chatting), "--port", "0", "--new-tokens", "60", "--prompt-tokens", "5") == (
        "error: 5 tokens of a prompt and 60 new ones do not fit the model's 64 positions; "
        "lower --prompt-tokens or --new-tokens"
    )


def test_an_unknown_device_is_refused_before_anything_is_loaded() -> None:
    assert (
        refused("no-such-folder", "--device", "gpu")
        == "error: no device 'gpu'; choose from host, host:compressed, emulated, serial, simulated, simulated-board"
    )
