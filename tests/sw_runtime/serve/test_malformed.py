"""Whatever a client sends, the answer is a refusal in one line, and the server goes on."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sw_runtime.serve.asked import Asked, AskedChat, AskedCompletion
from tests.sw_runtime.serve.processes import DEADLINE_SECONDS, Server

TEXT, CHAT = "/v1/completions", "/v1/chat/completions"

VALID: dict[str, dict[str, Any]] = {
    TEXT: {"model": "tiny", "prompt": "w3", "max_tokens": 1},
    CHAT: {"model": "tiny", "messages": [{"role": "user", "content": "w3"}], "max_tokens": 1},
}

KINDS: dict[str, type[Asked]] = {TEXT: AskedCompletion, CHAT: AskedChat}

FIELDS = [(path, field) for path, kind in KINDS.items() for field in kind.model_fields]

RAW = {
    "nothing": b"",
    "no JSON": b"model=tiny",
    "a half": b'{"model": "tiny"',
    "no object": b"[1]",
    "a number": b"3",
    "no UTF-8": b'{"model": "\xff"}',
    "half a character": b'{"model": "\\ud800"}',
    "deep": b"[" * 100_000,
    "deep inside": b'{"metadata": ' + b'{"a":' * 100_000,
    "NaN": b'{"model": "tiny", "prompt": "w3", "temperature": NaN}',
    "infinity": b'{"model": "tiny", "prompt": "w3", "temperature": 1e999}',
    "many digits": b'{"model": "tiny", "prompt": "w3", "max_tokens": ' + b"9" * 10_000 + b"}",
}

WRONG: list[tuple[str, str, Any]] = [
    (TEXT, "prompt", None),
    (TEXT, "prompt", ["w3"]),
    (TEXT, "prompt", {}),
    (TEXT, "max_tokens", 0),
    (TEXT, "max_tokens", 1.5),
    (TEXT, "max_tokens", "1"),
    (TEXT, "max_tokens", True),
    (TEXT, "temperature", 2.1),
    (TEXT, "temperature", "hot"),
    (TEXT, "top_p", 0),
    (TEXT, "top_p", 1.1),
    (TEXT, "stop", ""),
    (TEXT, "stop", ["a", "b", "c", "d", "e"]),
    (TEXT, "stop", "a" * 257),
    (TEXT, "stream", "yes"),
    (TEXT, "stream_options", {"include": True}),
    (TEXT, "n", 2),
    (TEXT, "best_of", 2),
    (TEXT, "echo", True),
    (TEXT, "suffix", "."),
    (TEXT, "logprobs", 1),
    (TEXT, "logit_bias", {"5": 100}),
    (TEXT, "presence_penalty", 0.5),
    (TEXT, "unheard_of", None),
    (TEXT, "a" * 10_000, None),
    (TEXT, "model", "a" * 10_000),
    (TEXT, "metadata", {"a" * 10_000: 1}),
    (CHAT, "messages", []),
    (CHAT, "messages", "w3"),
    (CHAT, "messages", ["w3"]),
    (CHAT, "messages", [{"role": "user"}]),
    (CHAT, "messages", [{"role": "robot", "content": "w3"}]),
    (CHAT, "messages", [{"role": "user", "content": None}]),
    (CHAT, "messages", [{"role": "user", "content": [{"type": "image_url", "image_url": "a"}]}]),
    (CHAT, "messages", [{"role": "assistant", "content": "w3", "tool_calls": []}]),
    (CHAT, "max_completion_tokens", 0),
    (CHAT, "logprobs", True),
    (CHAT, "tools", [{"type": "function"}]),
    (CHAT, "response_format", {"type": "json_object"}),
]


def check_refusal(status: int, answer: Any) -> None:
    assert 400 <= status < 500, answer
    message = answer["error"]["message"]
    assert message
    assert len(message.splitlines()) == 1
    assert len(message) < 400


@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize("kind", RAW)
def test_what_is_no_request_is_refused(server: Server, path: str, kind: str) -> None:
    check_refusal(*server.send(path, RAW[kind]))


@pytest.mark.parametrize(("path", "field", "value"), WRONG)
def test_a_field_that_is_wrong_is_named(server: Server, path: str, field: str, value: Any) -> None:
    status, answer = server.ask(path, **VALID[path] | {field: value})
    check_refusal(status, answer)
    assert answer["error"]["message"].startswith(field[:64])


@pytest.mark.parametrize(("path", "field"), FIELDS)
def test_negative_and_huge_integers_are_refused_in_every_field(server: Server, path: str, field: str) -> None:
    for value in (-1, -(2**63) - 1, 2**64, 10**400):
        check_refusal(*server.ask(path, **VALID[path] | {field: value}))


@pytest.mark.parametrize(("path", "field"), [(TEXT, "model"), (TEXT, "prompt"), (CHAT, "model"), (CHAT, "messages")])
def test_a_field_that_is_missing_is_named(server: Server, path: str, field: str) -> None:
    body = {name: value for name, value in VALID[path].items() if name != field}
    status, answer = server.send(path, json.dumps(body).encode())
    check_refusal(status, answer)
    assert answer["error"]["message"] == f"{field}: Field required"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", TEXT, 405),
        ("DELETE", CHAT, 405),
        ("POST", "/v1/models", 405),
        ("GET", "/v1/none", 404),
        ("POST", "/", 405),
    ],
)
def test_other_routes_and_methods_are_refused(server: Server, method: str, path: str, status: int) -> None:
    found, answer = server.send(path, b"{}", method=method)
    check_refusal(found, answer)
    assert found == status


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/completions HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 100_000 + b"\r\n",
    ],
)
def test_what_is_no_http_is_refused(server: Server, sent: bytes) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port or 0), timeout=DEADLINE_SECONDS) as connection:
        try:
            connection.sendall(sent)
            answer = connection.recv(1 << 16)
        except ConnectionError:  # closed before all was sent
            answer = b"HTTP/1.1 400"
    assert answer.startswith(b"HTTP/1.1 4")
    assert server.ask(TEXT, prompt="w3", max_tokens=1)[0] == 200


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def _bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """A path, and a valid body of which fields are replaced or left out; now and then any bytes."""
    path = draw(st.sampled_from(sorted(KINDS)))
    if draw(st.integers(0, 9)) == 0:
        return path, draw(st.binary(max_size=60))
    body = dict(VALID[path])
    names = st.sampled_from([*KINDS[path].model_fields, "tools", "suffix"])
    for name in draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        body[name] = draw(ANY_JSON)
    return path, json.dumps(body).encode()


def _fuzz(server: Server, examples: int) -> None:
    before = server.ask(TEXT, **VALID[TEXT])[1]["choices"]
    refused = 0

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(_bodies())
    def send(request: tuple[str, bytes]) -> None:
        nonlocal refused
        status, answer = server.send(*request)
        if status != 200:
            check_refusal(status, answer)
            refused += 1
        elif isinstance(answer, str):
            assert answer.endswith("data: [DONE]\n\n")

    send()
    assert refused > examples / 2
    assert server.ask(TEXT, **VALID[TEXT])[1]["choices"] == before


def test_random_requests_are_answered_or_refused(server: Server) -> None:
    _fuzz(server, 200)


@pytest.mark.soak
def test_many_random_requests_are_answered_or_refused(server: Server) -> None:
    _fuzz(server, 1000)
