"""Rows on a cluster of this machine's cores: the words of one process, also when a worker dies."""

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch

from formats.errors import DependencyError, InputError
from sw_runtime.fit import cluster, row_blocks
from sw_runtime.fit.candidates import GroupEncoder
from sw_runtime.fit.cluster import OWN, Cluster, cluster_of_this_machine, search_workers
from sw_runtime.fit.covariance import input_statistics
from sw_runtime.fit.workers import Threads, Workers

BEFORE = signal.getsignal(signal.SIGTERM)

TASK = "ray::_search_rows"
"""What Ray calls a process that runs one of our tasks."""


@pytest.fixture(scope="module")
def local() -> Iterator[Workers]:
    with search_workers(None, "auto") as workers:
        yield workers


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_blocks, "WEIGHTS_A_BLOCK", 8 * 64)


def weights(rows: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, 64, generator=torch.Generator().manual_seed(seed))


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match=re.escape("'nowhere' is no address of a Ray cluster")):
        Cluster("nowhere")


@pytest.fixture
def dead() -> str:
    """An address where nobody listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listening.getsockname()[1]}"


def test_an_address_where_nobody_listens_is_refused_at_once(dead: str) -> None:
    for address in (dead, "localhost:123456789"):
        with pytest.raises(InputError, match=f"no Ray cluster answers at {address} "):
            Cluster(address)


def test_a_dead_cluster_that_the_environment_names_is_refused_at_once(
    dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", dead)
    refused = (
        rf"RAY_ADDRESS: no Ray cluster answers at {dead} \(.*\); ray start --head starts one, or unset RAY_ADDRESS"
    )
    with pytest.raises(InputError, match=refused):
        Cluster("auto")


def test_a_dead_cluster_that_ray_remembers_is_passed_over(
    dead: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(dead)  # as `ray start` leaves it
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", set)  # of clusters that other processes have
    assert cluster_of_this_machine() == OWN


def test_a_cluster_that_answers_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert cluster_of_this_machine() == address


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize("name", ["trellis-4bit", "scaled-3bit", "paper-4bit"])
def test_the_words_and_scales_are_those_of_one_process(
    local: Workers, small_blocks: None, name: str, calibrated: bool
) -> None:
    statistics = input_statistics(weights(256, seed=1) * torch.logspace(-1, 1, 64)) if calibrated else None
    matrices, done = [weights(20), weights(13, seed=2)], []
    found = GroupEncoder(statistics, local).encode(matrices, name, done.append)
    expected = GroupEncoder(statistics, Threads(1)).encode(matrices, name)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours.matrix.words, theirs.matrix.words)  # type: ignore[attr-defined]
        assert torch.equal(ours.matrix.scales, theirs.matrix.scales)
        assert ours.report == theirs.report
    assert sum(done) == 33 * 64


def kill_one_task(killed: list[int]) -> None:
    while not killed:
        for process in psutil.process_iter(["cmdline"]):
            if TASK in " ".join(process.info["cmdline"] or ()):
                time.sleep(0.1)  # well inside its work
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)
                return
        time.sleep(0.01)


def test_a_worker_killed_half_way_changes_nothing(local: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_blocks, "WEIGHTS_A_BLOCK", 256 * 64)
    killed: list[int] = []
    thread = threading.Thread(target=kill_one_task, args=(killed,), daemon=True)
    thread.start()
    (found,) = GroupEncoder(None, local).encode([weights(1024)], "paper-3bit")
    thread.join()
    (expected,) = GroupEncoder(None, Threads(2)).encode([weights(1024)], "paper-3bit")
    assert killed
    assert torch.equal(found.matrix.words, expected.matrix.words)  # type: ignore[attr-defined]


def test_every_group_may_use_the_whole_cluster(local: Workers) -> None:
    assert local.shared(5) is local
    assert isinstance(local, Cluster)
    assert local.cores >= 1


def test_without_a_cluster_threads_search() -> None:
    with search_workers(3, None) as workers:
        assert workers == Threads(3)


def test_a_missing_ray_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(cluster, "import_module", missing)
    with pytest.raises(DependencyError, match=re.escape("pip install 'seedloom[cluster]'")):
        Cluster()


def test_a_connection_of_the_callers_is_used_and_kept(local: Workers) -> None:
    Cluster("auto").close()
    assert isinstance(local, Cluster)
    assert local.cores >= 1
    with pytest.raises(InputError, match="this process is part of a Ray cluster already, so host:1 cannot be joined"):
        Cluster("host:1")


def test_the_commands_handler_of_sigterm_stays(local: Workers) -> None:
    assert signal.getsignal(signal.SIGTERM) == BEFORE
