"""Listens, answers, and ends cleanly."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import Signals

import uvicorn

from formats.errors import InputError
from sw_runtime.serve.app import Service
from sw_runtime.serve.guard import is_loopback
from sw_runtime.serve.running import PATIENCE_SECONDS
from sw_runtime.signals import signals_answered


def listen(host: str, port: int, key: str | None) -> socket.socket:
    """A socket that listens.

    Parameters
    ----------
    host
        Address or name; one that others reach needs a key.
    port
        0 for a free one.
    key
        What clients must send.

    Raises
    ------
    InputError
        If an address or a key is missing, or nothing can listen there.
    """
    if not host:
        raise InputError("host must be an address, such as 127.0.0.1, not ''")
    if key is None and not is_loopback(host):
        raise InputError(f"{host} is open to other machines, and there is no key; set SEEDLOOM_KEY to one")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror  # no name: below 0
        raise InputError(
            f"nothing can listen on {host} port {port} ({reason}); give another --host or --port"
        ) from error


def run(service: Service, listening: socket.socket, ready: Callable[[str], None]) -> None:
    """Answer until SIGINT or SIGTERM. Answers then end at once; a second signal does not wait for their last step.

    Parameters
    ----------
    service
        What answers.
    listening
        The socket.
    ready
        Takes the address, once the server answers.
    """
    host, port = listening.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    config = uvicorn.Config(
        service.app(),
        log_level="error",
        lifespan="off",
        timeout_graceful_shutdown=PATIENCE_SECONDS,
        server_header=False,
    )
    server = _Server(config, service.running.stop, lambda: ready(address))
    asyncio.run(server.serve(sockets=[listening]))
    service.running.wait()


class _Server(uvicorn.Server):
    """Tells when it is ready and when it is told to stop; signals end it and not the process."""

    def __init__(self, config: uvicorn.Config, stop: Callable[[], None], ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop, self._ready = stop, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Answer SIGINT and SIGTERM while the server runs."""

        def stop(_number: Signals) -> None:
            self._stop()
            self.force_exit = self.should_exit
            self.should_exit = True

        with signals_answered(stop):
            yield
