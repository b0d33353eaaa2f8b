from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from seedloom import methods
from seedloom.methods import METHODS, OPTIONS, Choice, Method, names


def model(layers: int = 3) -> Any:
    found = nn.Module()
    found.config = SimpleNamespace(num_hidden_layers=layers)  # type: ignore[assignment]
    return found


def test_every_option_has_a_method() -> None:
    assert {method.option for method in METHODS} == set(OPTIONS)


def test_nothing_given_lets_transformers_generate() -> None:
    choice = Choice.of({"--argmax-on-device": False, "--prune": None, "--speculate": None})
    assert choice == Choice(None, 0)


@pytest.mark.parametrize(
    ("option", "value", "number"),
    [("--argmax-on-device", True, 1), ("--prune", "lazyllm", 0), ("--exit", "m2r2", 0), ("--speculate", 4, 4)],
)
def test_an_option_chooses_its_method(option: str, value: str | int, number: int) -> None:
    choice = Choice.of({option: value})
    assert choice.method is not None
    assert choice.method.option == option
    assert choice.number == number


def test_an_entry_is_all_that_a_further_method_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    further = Method("--prune", "other", lambda folder, model, number: lambda device, prompt: [], bitmaps=lambda _: 9)
    monkeypatch.setattr(methods, "METHODS", (*METHODS, further))
    assert names("--prune") == ["lazyllm", "other"]
    assert Choice.of({"--prune": "other"}).method is further


def test_two_options_are_refused() -> None:
    with pytest.raises(ValueError, match="choose one of --argmax-on-device, --prune, --exit and --speculate"):
        Choice.of({"--prune": "lazyllm", "--speculate": 1})


@pytest.mark.parametrize(
    ("option", "error"),
    [("--prune", "--prune takes lazyllm, not other"), ("--speculate", "--speculate takes no name, not other")],
)
def test_a_name_of_no_method_is_refused(option: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        Choice.of({option: "other"})


def test_the_device_has_what_the_method_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = SimpleNamespace(format_name="scaled-4bit")
    monkeypatch.setattr("sw_runtime.nn.attach.compressed_linears", lambda model: {"head": layer})
    assert "router" not in Choice().units(model())
    drafting = Choice.of({"--speculate": 4}).units(model())
    assert drafting["parameters"].batch == 5
    assert Choice.of({"--exit": "m2r2"}).units(model())["parameters"].batch == 2
    assert Choice.of({"--argmax-on-device": True}).units(model())["parameters"].batch == 1
    assert Choice.of({"--prune": "lazyllm"}).units(model(40))["router"].slots == 82
