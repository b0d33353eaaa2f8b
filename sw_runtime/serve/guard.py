"""Who may ask, and in which form: every request passes here before it is read."""

import asyncio
import hmac
import ipaddress

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

MAXIMUM_BYTES = 1 << 20
"""Of a request's body."""

SECONDS = 30
"""In which a body must arrive."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_sender(request: Request, key: str | None) -> None:
    """Refuse a request without the key; where none is needed, one that names this machine as another site may.

    Raises
    ------
    HTTPException
        401 or 403.
    """
    if key is not None:
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(sent.encode(), key.encode()):
            raise HTTPException(401, "the key is missing or wrong; send the header Authorization: Bearer KEY")
    elif not is_loopback((request.url.hostname or "").strip("[]")):
        raise HTTPException(403, "without a key this server answers to the name localhost and to loopback addresses")


async def read_body(request: Request) -> bytes:
    """The body of a request.

    A page of another site cannot send this content type without asking first, and is not allowed to.

    Raises
    ------
    HTTPException
        415, 413 or 408.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send the header Content-Type: application/json")
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MAXIMUM_BYTES:
                    raise HTTPException(413, f"the request has more than {MAXIMUM_BYTES:,} bytes; send fewer")
    except (TimeoutError, ClientDisconnect) as error:
        raise HTTPException(408, f"the request did not arrive in {SECONDS} seconds; send it again") from error
    return bytes(body)
