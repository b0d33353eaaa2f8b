import os
import signal
import socket
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from formats.errors import InputError
from sw_runtime.serve.server import listen
from tests.sw_runtime.serve.processes import DEADLINE_SECONDS, JSON, serving, start


def test_no_address_at_all_is_refused() -> None:
    with pytest.raises(InputError, match=r"^host must be an address, such as 127.0.0.1, not ''$"):
        listen("", 0, "key")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_an_address_that_others_reach_needs_a_key(host: str) -> None:
    with pytest.raises(InputError, match="is open to other machines, and there is no key; set SEEDLOOM_KEY"):
        listen(host, 0, None)


def test_with_a_key_others_may_be_answered() -> None:
    with listen("0.0.0.0", 0, "secret") as listening:
        assert listening.getsockname()[0] == "0.0.0.0"


def test_a_port_in_use_and_a_name_that_is_none_are_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        with pytest.raises(InputError, match=rf"127.0.0.1 port {port} \(Address already in use\); give another --host"):
            listen("127.0.0.1", port, None)
    with pytest.raises(InputError, match=r"nothing can listen on no\.such\.invalid port 1"):
        listen("no.such.invalid", 1, "secret")


def test_a_server_with_a_key_answers_to_it_alone(chatting: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDLOOM_KEY", "secret")
    with serving(chatting) as server:
        for headers in (JSON, JSON | {"Authorization": "Bearer other"}, JSON | {"Authorization": "Bearer "}):
            for method, path in (("POST", "/v1/completions"), ("GET", "/v1/models")):
                status, answer = server.send(path, b"{}", headers, method)
                assert (status, answer["error"]["message"].split(";")[0]) == (401, "the key is missing or wrong")
        keyed = JSON | {"Authorization": "Bearer secret", "Host": "example.org"}
        assert server.send("/v1/models", b"", keyed, "GET")[0] == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_cleanly_in_the_middle_of_an_answer(chatting: Path, number: signal.Signals) -> None:
    server = start(chatting, "--new-tokens", "60")
    while "http://" not in server.printed():
        assert os.waitpid(server.process, os.WNOHANG)[0] == 0, server.printed()
    connection = HTTPConnection(urlsplit(server.url).netloc, timeout=DEADLINE_SECONDS)
    connection.request("POST", "/v1/completions", b'{"model": "tiny", "prompt": "w3", "stream": true}', JSON)
    answer = connection.getresponse()
    answer.readline()
    assert server.end(number) == 0
    said = answer.read().decode().strip().splitlines()[-1]
    assert "the server is stopping" in said or said == "data: [DONE]"
    assert server.printed().endswith("\nstopped\n")
    with pytest.raises(ConnectionError):
        socket.create_connection((connection.host, connection.port))
