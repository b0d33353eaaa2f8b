"""Rows searched on a Ray cluster: any mix of machines that have seedloom installed.

A block of rows is a task. A task whose worker dies is run again elsewhere. Rows are searched alone, so the words are
those of one process.
"""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from formats.errors import DependencyError, InputError
from sw_runtime.cores import cores
from sw_runtime.fit.row_blocks import (
    ColumnCosts,
    KeptBlocks,
    NothingKept,
    RowBlock,
    RowJob,
    RowSearch,
    SearchedMatrix,
    joined,
)
from sw_runtime.fit.workers import Threads, Workers

logger = logging.getLogger("seedloom.fit")

ANSWER_SECONDS = 10
"""How long a cluster's head may take to answer."""

OWN = "local"
"""What Ray calls the address of a cluster that it is to start on this machine."""

GROUPS = 64
"""Groups of layers searched side by side: what waits fills the cores that a small group leaves idle."""


class Cluster:
    """A running Ray cluster, or one on this machine.

    Parameters
    ----------
    address
        Of the cluster's head, ``HOST:PORT``; ``"auto"`` takes the one that this machine is part of, and starts
        one of its own cores where it is part of none.

    Raises
    ------
    DependencyError
        If Ray is not installed.
    InputError
        If no cluster answers at the address, or at the environment's RAY_ADDRESS where that is ``"auto"``; or if the
        process is part of another one.
    """

    def __init__(self, address: str = "auto") -> None:
        try:
            self._ray: Any = import_module("ray")
        except ImportError as error:
            raise DependencyError("--cluster needs Ray: pip install 'seedloom[cluster]'") from error
        self._is_own = not self._ray.is_initialized()  # else the caller's, who also ends it
        if not self._is_own and address != "auto":
            raise InputError(f"this process is part of a Ray cluster already, so {address} cannot be joined; give auto")
        if self._is_own:
            with _signals_kept():
                self._connect(address)
        options = {"num_cpus": 1, "max_retries": -1}  # a dead worker's task is run again, however often
        self.kept: KeptBlocks = NothingKept()
        self._search_rows = self._ray.remote(**options)(_search_rows)
        logger.info("cluster of %d cores", self.cores)

    def _connect(self, address: str) -> None:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address == "auto":
            address = cluster_of_this_machine()
        else:
            _check_answers(address)
        try:
            self._ray.init(address=address, include_dashboard=False if address == OWN else None, **quiet)
        except ConnectionError as error:
            raise InputError(f"no Ray cluster answers at {address} (ray start --head starts one)") from error
        except ValueError as error:
            raise InputError(f"{address!r} is no address of a Ray cluster ({error}); give auto or HOST:PORT") from error

    @property
    def cores(self) -> int:
        """Cores of all machines together."""
        return int(self._ray.cluster_resources().get("CPU", 0))

    @property
    def groups(self) -> int:
        """Many: every group's blocks wait for cores together."""
        return GROUPS

    def shared(self, groups: int) -> "Cluster":
        """The cluster shares itself out."""
        return self

    def keeping(self, kept: KeptBlocks) -> "Cluster":
        """The same cluster."""
        keeping = copy(self)
        keeping.kept = kept
        return keeping

    def search(self, job: RowJob) -> SearchedMatrix:
        """Blocks of rows, each a task."""
        costs = self._ray.put(job.costs)
        found: dict[int, SearchedMatrix] = {}
        waiting: dict[Any, RowBlock] = {}
        for block in job.blocks(cores=1):
            if (finished := job.finished(block)) is not None:
                found[block.first] = finished
            else:
                waiting[self._search_rows.remote(job.search, block.weights, block.scales, costs)] = block
        while waiting:
            (done, *_), _ = self._ray.wait(list(waiting))
            block, matrix = waiting.pop(done), self._ray.get(done)
            found[block.first] = matrix
            job.keep(block, matrix)
            job.tell(block.weights.numel())
        return joined([found[first] for first in sorted(found)])

    def close(self) -> None:
        """Leave the cluster; one that was started here ends. A caller's own connection stays."""
        if self._is_own:
            self._ray.shutdown()


def cluster_of_this_machine() -> str:
    """Address of the cluster that this machine is part of, ``OWN`` where it is part of none.

    Ray remembers a cluster that has died, and would look for it for minutes.

    Raises
    ------
    InputError
        If the environment's RAY_ADDRESS, which comes first in every program of Ray's, names none that answers.
    """
    if named := os.environ.get("RAY_ADDRESS"):
        try:
            _check_answers(named)
        except InputError as error:
            raise InputError(f"RAY_ADDRESS: {error}, or unset RAY_ADDRESS") from error
        return named
    try:
        found = str(import_module("ray._private.services").canonicalize_bootstrap_address("auto"))
        _check_answers(found)
    except (ConnectionError, InputError) as error:
        logger.info("a cluster of this machine's cores is started: %s", error)
        return OWN
    return found


def _check_answers(address: str) -> None:
    """Refuse HOST:PORT where nobody listens: Ray itself tries for minutes, and ends the process then."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"no Ray cluster answers at {address} ({error}); ray start --head starts one") from error


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray answers SIGTERM itself once it is connected; keep the command's own answer."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


@contextmanager
def search_workers(threads: int | None, cluster: str | None) -> Iterator[Workers]:
    """What searches within the block: a cluster where one is named, else threads, one a core when not given.

    Raises
    ------
    DependencyError, InputError
        As ``Cluster``.
    """
    if cluster is None:
        yield Threads(threads or cores())
        return
    workers = Cluster(cluster)
    try:
        yield workers
    finally:
        workers.close()


def _search_rows(search: RowSearch, weights: Tensor, scales: Tensor, costs: ColumnCosts) -> SearchedMatrix:
    """A task: the words of a block of rows."""
    torch.set_num_threads(1)  # a task has one core
    return search.search(weights, scales, costs, 1, None)
