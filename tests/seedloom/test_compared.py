"""Commands that compare results end with exit code 1 if something differs."""

from dataclasses import fields
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from seedloom import bench_codec, bench_engine, bench_link, bench_router
from seedloom.cli import app
from sw_runtime.device.routing import EmulatedRouter


def measurement(kind: type[Any], exact: bool) -> Any:
    """One of any kind whose figures are all 1."""
    return kind(**{field.name: exact if field.name == "exact" else 1 for field in fields(kind)})


@pytest.mark.parametrize("as_json", [[], ["--json"]])
@pytest.mark.parametrize("exact", [True, False])
def test_a_benchmark_whose_results_differ_fails(
    exact: bool, as_json: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    codec, router = measurement(bench_codec.CodecBenchmark, exact), measurement(bench_router.Measurement, exact)
    engine, link = (measurement(kind, exact) for kind in (bench_engine.EngineBenchmark, bench_link.LinkBenchmark))
    monkeypatch.setattr(bench_codec, "measure_codec", lambda *_: {"scaled-4bit": codec})
    monkeypatch.setattr(bench_router, "measure_router", lambda *_: {"load": {"n=16,lanes=4": router}})
    monkeypatch.setattr(bench_engine, "measure_engine", lambda *_: engine)
    monkeypatch.setattr(bench_link, "measure_link", lambda *_: link)
    for name in ("codec", "router", "engine", "link"):
        result = CliRunner().invoke(app, ["bench", name, *as_json])
        assert result.exit_code == (0 if exact else 1), name
        assert (("false" if as_json else "NO") in result.stdout) != exact, name


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_a_simulation_whose_results_differ_fails(as_json: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "equal", lambda *_: False)
    monkeypatch.setattr(EmulatedRouter, "execute", lambda *_: (None, 0))
    product = ["product", "--rows", "5", "--cols", "29", "--port-bytes", "4"]
    for command in (product, ["router", "--n", "32", "--keep", "5", "--lanes", "4"]):
        result = CliRunner().invoke(app, ["simulate", *command, *as_json])
        assert result.exit_code == 1
        assert ("false" if as_json else "NO") in result.stdout
