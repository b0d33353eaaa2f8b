"""``seedloom serve`` in a process of its own, as clients meet it."""

import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch

from seedloom.cli import app

DEADLINE_SECONDS = 120
"""For a start, an answer or an end: far more than any takes, so that a hang fails."""

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    process: int
    log: Path

    def printed(self) -> str:
        """What it has written to stderr."""
        return self.log.read_text()

    @property
    def url(self) -> str:
        """Where it answers."""
        return re.findall(r"http://\S+", self.printed())[0]

    def send(self, path: str, body: bytes, headers: dict[str, str] = JSON, method: str = "POST") -> tuple[int, Any]:
        """Status and JSON of the answer to one request; the text of a stream."""
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=DEADLINE_SECONDS)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            streamed = answer.getheader("Content-Type", "").startswith("text/event-stream")
            return answer.status, text if streamed else json.loads(text)
        finally:
            connection.close()

    def ask(self, path: str, **fields: Any) -> tuple[int, Any]:
        """The same for the fields of a request."""
        return self.send(path, json.dumps({"model": "tiny", **fields}).encode())

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        os.kill(self.process, number)
        return self.wait()

    def wait(self) -> int:
        """The exit code, once it ends."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            ended, status = os.waitpid(self.process, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        os.kill(self.process, signal.SIGKILL)
        raise TimeoutError(f"the server does not end: {self.printed()}")


def start(folder: Path, *options: str) -> Server:
    """A forked process, which need not import again; it listens on a free port."""
    file, name = tempfile.mkstemp(suffix=".log", dir=folder.parent)
    process = os.fork()
    if not process:
        os.dup2(file, 2)
        sys.stderr = os.fdopen(file, "w", buffering=1)  # pytest has put another there
        torch.set_num_threads(1)  # a pool of threads does not outlive a fork
        code = 1
        try:
            app(["serve", str(folder), "--port", "0", *options])
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            os._exit(code)
    os.close(file)
    return Server(process, Path(name))


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    """A server that answers; it is ended with SIGTERM."""
    server = start(folder, *options)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while "http://" not in server.printed():
        assert time.monotonic() < deadline, server.printed()
        assert os.waitpid(server.process, os.WNOHANG)[0] == 0, server.printed()
        time.sleep(0.01)
    try:
        yield server
    finally:
        assert server.end(signal.SIGTERM) == 0
