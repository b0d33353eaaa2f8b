"""Engine and router in one top level: joined, and each alone as it was."""

from pathlib import Path

import pytest

from hw.engine.engine import Engine
from hw.router.router import Router
from hw.top import Accelerator
from tests.hw.benches.accelerator import ENGINE, ROUTER
from tests.hw.benches.engine import ENGINES
from tests.hw.simulate import run_bench


def test_results_go_to_the_host_or_to_the_router(tmp_path: Path) -> None:
    run_bench(Accelerator(ENGINE, ROUTER), "accelerator", tmp_path)


def test_an_engine_alone_is_the_engine(tmp_path: Path) -> None:
    alone = Accelerator(ENGINES["scaled-4bit"], None)
    assert dict(alone.signature.members) == dict(Engine(ENGINES["scaled-4bit"]).signature.members)
    run_bench(alone, "engine", tmp_path, subject="scaled-4bit")


def test_a_router_alone_has_its_streams_and_no_others() -> None:
    members, unit = dict(Accelerator(None, ROUTER).signature.members), Router(ROUTER).signature.members
    assert members == {
        "i_router_command": unit["i_cmd"],
        "i_router_data": unit["i_data"],
        "o_router_answer": unit["o_rsp"],
    }


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="an accelerator is an engine, a router or both; give the parameters of one"):
        Accelerator(None, None)
