"""The page at /: alone in its file, and in a browser where one is installed."""

import re
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sw_runtime.serve.app import PAGE
from tests.sw_runtime.serve.browser import CHROMIUM, Browser
from tests.sw_runtime.serve.processes import Server

TURN = "new Promise(done => setTimeout(done, 20))"
"""Lets the page go on for a while."""


def test_the_page_needs_no_other_resource(server: Server) -> None:
    connection = HTTPConnection(urlsplit(server.url).netloc)
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.getheader("Content-Security-Policy", "").startswith("default-src 'none';")
    page = answer.read().decode()
    assert page == PAGE.read_text()
    assert not re.search(r"https?:|\bsrc=|\bhref=|@import|url\(", page)


def test_the_page_asks_for_routes_that_there_are(server: Server) -> None:
    paths = set(re.findall(r'"(v1/[a-z/]+)"', PAGE.read_text()))
    assert paths == {"v1/models", "v1/chat/completions", "v1/completions"}
    for path in paths:
        method = "GET" if path == "v1/models" else "POST"
        assert server.send(f"/{path}", b"{}", method=method)[0] in (200, 400)


@pytest.fixture
def page(server: Server, tmp_path: Path) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    browser = Browser(tmp_path / "profile", server.url)
    wait_for(browser, "document.readyState == 'complete' && model")
    yield browser
    browser.close()


def wait_for(browser: Browser, condition: str) -> None:
    for _ in range(3000):
        if browser.evaluate(f"try {{ Boolean({condition}) }} catch {{ false }}"):
            return
        browser.evaluate(TURN)
    raise TimeoutError(browser.evaluate("document.body.innerText"))


def write(browser: Browser, prompt: str, tokens: int) -> None:
    browser.evaluate(f"at('prompt').value = {prompt!r}; at('tokens').value = {tokens}; at('write').click()")


def test_a_prompt_is_answered_with_its_figures(page: Browser, server: Server) -> None:
    assert page.evaluate("at('model').textContent") == "tiny on the emulated device"
    write(page, "w3 w7", 5)
    wait_for(page, "!at('write').disabled && at('count').textContent == '5'")
    messages = [{"role": "user", "content": "w3 w7"}]
    (before, after) = (
        server.ask("/v1/chat/completions", messages=messages, max_tokens=tokens, counters=True)[1] for tokens in (4, 5)
    )
    assert page.evaluate("at('answer').textContent") == after["choices"][0]["message"]["content"]
    cycles, busy = (
        after["counters"]["device"][name] - before["counters"]["device"][name]
        for name in ("cycles", "port_busy_cycles")
    )
    assert page.evaluate("at('cycles').textContent") == f"{cycles:,}"
    assert page.evaluate("at('busy').textContent") == f"{100 * busy / cycles:.1f} %"
    assert float(page.evaluate("at('rate').textContent")) > 0
    assert page.evaluate("at('error').textContent") == ""


def test_a_refusal_is_shown(page: Browser) -> None:
    write(page, "w3 " * 50, 5)
    wait_for(page, "!at('write').disabled && at('error').textContent")
    assert page.evaluate("at('error').textContent").startswith("the prompt has 50 tokens")


def test_stop_ends_the_answer(page: Browser) -> None:
    write(page, "w3", 24)
    wait_for(page, "at('answer').textContent")
    page.evaluate("at('stop').click()")
    wait_for(page, "!at('write').disabled")
    assert page.evaluate("at('error').textContent") == ""
    assert page.evaluate("Number(at('count').textContent)") < 24
