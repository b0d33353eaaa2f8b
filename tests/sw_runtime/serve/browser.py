"""A headless Chromium, spoken to through pipes in its own debugging protocol."""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One page.

    Parameters
    ----------
    profile
        A folder for the browser's files.
    url
        Of the page.
    """

    def __init__(self, profile: Path, url: str) -> None:
        theirs, self._orders = (_high(end) for end in os.pipe())
        self._answers, theirs_too = (_high(end) for end in os.pipe())
        options = "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={profile}"

        def place() -> None:
            os.dup2(theirs, 3)
            os.dup2(theirs_too, 4)

        self._process = subprocess.Popen(
            [str(CHROMIUM), *options],
            preexec_fn=place,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(theirs_too)
        self._unread, self._sent, self._session = b"", 0, ""
        target = self._call("Target.createTarget", url=url)["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; of a promise, what it gives; None while it loads."""
        found = self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if found is None:
            return None
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def close(self) -> None:
        """End the browser."""
        self._process.kill()
        self._process.wait()
        os.close(self._orders)
        os.close(self._answers)

    def _call(self, method: str, **parameters: Any) -> Any:
        self._sent += 1
        order: dict[str, Any] = {"id": self._sent, "method": method, "params": parameters}
        if self._session:
            order["sessionId"] = self._session
        os.write(self._orders, json.dumps(order).encode() + b"\0")
        while (said := self._read()).get("id") != self._sent:
            pass
        return said.get("result")

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            part = os.read(self._answers, 1 << 16)
            assert part, "the browser has ended"
            self._unread += part
        line, self._unread = self._unread.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        return message


def _high(end: int) -> int:
    """A pipe's end under a number above those that the browser reads and writes."""
    high = fcntl.fcntl(end, fcntl.F_DUPFD, 10)
    os.close(end)
    return high
