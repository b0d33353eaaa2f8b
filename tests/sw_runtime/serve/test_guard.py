import pytest

from sw_runtime.serve.guard import MAXIMUM_BYTES, is_loopback
from tests.sw_runtime.serve.processes import JSON, Server


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_addresses_of_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])
def test_addresses_that_others_reach(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({}, 415, "send the header Content-Type: application/json"),
        ({"Content-Type": "text/plain"}, 415, "send the header Content-Type: application/json"),
        (JSON | {"Host": "example.org"}, 403, "without a key this server answers to the name localhost"),
        (JSON | {"Host": "localhost"}, 400, "Invalid JSON"),
        (JSON | {"Host": "[::1]:80"}, 400, "Invalid JSON"),
    ],
)
def test_what_a_page_of_another_site_may_send_is_refused(
    server: Server, headers: dict[str, str], status: int, said: str
) -> None:
    found, answer = server.send("/v1/completions", b"x", headers)
    assert found == status
    assert answer["error"]["message"].startswith(said)


def test_a_body_that_is_too_long_is_refused(server: Server) -> None:
    status, answer = server.send("/v1/completions", b" " * (MAXIMUM_BYTES + 1))
    assert (status, answer["error"]["message"]) == (413, "the request has more than 1,048,576 bytes; send fewer")
