"""The routes: chat completions, completions, models, and a page to look at."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from formats.errors import DeviceError, InputError, SeedloomError
from formats.plurals import number_of
from sw_runtime.serve.answers import Answer
from sw_runtime.serve.asked import Asked, AskedChat, AskedCompletion, read
from sw_runtime.serve.chat_template import chat_tokens
from sw_runtime.serve.guard import check_sender, read_body
from sw_runtime.serve.limits import Limits
from sw_runtime.serve.running import BusyError, Running
from sw_runtime.serve.writer import Piece, Wanted, Writer

PAGE = Path(__file__).with_name("page.html")

PAGE_MAY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'"
"""The page loads nothing, and asks this server alone."""

LIKELIEST = 0.01
"""Temperatures below take the likeliest token, as a division by them would overflow."""

A = TypeVar("A", bound=Asked)
R = TypeVar("R")


class Service:
    """One model behind OpenAI's routes.

    Parameters
    ----------
    name
        What clients call the model.
    writer
        The model.
    limits
        What clients may ask for.
    device
        Name of what multiplies.
    key
        What clients must send; None lets this machine's in.
    """

    def __init__(self, name: str, writer: Writer, limits: Limits, device: str, key: str | None = None) -> None:
        self.name, self.device, self.key = name, device, key
        self._writer, self._limits = writer, limits
        self.running = Running(writer, limits.together)

    def app(self) -> Starlette:
        """The routes, for an ASGI server."""
        routes = [
            Route("/", self._page),
            Route("/v1/models", self._models),
            Route("/v1/models/{name:path}", self._model),
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/completions", self._completion, methods=["POST"]),
        ]
        handlers: dict[Any, Any] = {HTTPException: _refusal, SeedloomError: _refusal, Exception: _fault}
        return Starlette(routes=routes, exception_handlers=handlers)

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(PAGE.read_bytes(), headers={"Content-Security-Policy": PAGE_MAY})

    async def _models(self, request: Request) -> Response:
        check_sender(request, self.key)
        return JSONResponse({"object": "list", "data": [self._described()]})

    async def _model(self, request: Request) -> Response:
        check_sender(request, self.key)
        self._check_name(request.path_params["name"])
        return JSONResponse(self._described())

    async def _chat(self, request: Request) -> Response:
        asked = await self._read(request, AskedChat)
        prompt = await asyncio.to_thread(self._chat_tokens, asked)
        return await self._answer(request, asked, prompt)

    async def _completion(self, request: Request) -> Response:
        asked = await self._read(request, AskedCompletion)
        prompt = await asyncio.to_thread(lambda: self._writer.tokenizer(asked.prompt)["input_ids"])
        return await self._answer(request, asked, prompt)

    def _described(self) -> dict[str, Any]:
        described = {"id": self.name, "object": "model", "created": 0, "owned_by": "seedloom", "device": self.device}
        return described | {"chat": self._writer.tokenizer.chat_template is not None, "limits": vars(self._limits)}

    async def _read(self, request: Request, kind: type[A]) -> A:
        check_sender(request, self.key)
        asked = read(kind, await read_body(request))
        self._check_name(asked.model)
        return asked

    def _check_name(self, name: str) -> None:
        if name != self.name:
            raise HTTPException(404, f"no model {name!r}; this server has {self.name!r}")

    def _chat_tokens(self, asked: AskedChat) -> list[int]:
        return chat_tokens(self._writer.tokenizer, [message.as_template_takes_it() for message in asked.messages])

    async def _answer(self, request: Request, asked: Asked, prompt: list[int]) -> Response:
        tokens = self._limits.new_tokens(len(prompt), asked.most_tokens)
        words = self._writer.model.get_input_embeddings().num_embeddings
        if max(prompt) >= words:
            raise InputError(f"the prompt has the token {max(prompt)}, and the model knows {words}; leave it out")
        wanted = Wanted(prompt, tokens, _sampling(asked), asked.stop or [], asked.seed)
        answer = Answer(self.name, isinstance(asked, AskedChat), len(prompt), bool(asked.counters), asked.usage_wanted)
        pieces = self.running.pieces(wanted)
        try:
            if asked.stream:
                first = await _unless_gone(request, _first(pieces))  # what is refused gets its status
                return StreamingResponse(_events(answer, first, pieces), media_type="text/event-stream")
            return JSONResponse(await _unless_gone(request, _whole(answer, pieces)))
        except BusyError as error:
            at_once = number_of(self._limits.together, "answer")
            said = f"this server writes {at_once} at a time, and is doing so; ask again later"
            raise HTTPException(429, said, {"Retry-After": "1"}) from error


def _sampling(asked: Asked) -> dict[str, Any]:
    """Entries of a generation configuration."""
    if asked.temperature is not None and asked.temperature < LIKELIEST:
        return {"do_sample": False}
    given = {"temperature": asked.temperature, "top_p": asked.top_p}
    given = {name: value for name, value in given.items() if value is not None}
    return {"do_sample": True, **given} if given else {}


async def _unless_gone(request: Request, work: Coroutine[Any, Any, R]) -> R:
    """What the work gives; it is given up once the client is gone."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise HTTPException(499, "the client is gone")
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _first(pieces: AsyncIterator[Piece]) -> Piece:
    return await anext(pieces)


async def _whole(answer: Answer, pieces: AsyncIterator[Piece]) -> dict[str, Any]:
    told = [piece async for piece in pieces]
    return answer.whole("".join(piece.text for piece in told), told[-1])


async def _events(answer: Answer, first: Piece, others: AsyncIterator[Piece]) -> AsyncIterator[str]:
    """A stream of server-sent events; what goes wrong on the way is its last."""
    try:
        for chunk in answer.chunks(first):
            yield _event(chunk)
        async for piece in others:
            for chunk in answer.chunks(piece):
                yield _event(chunk)
        yield "data: [DONE]\n\n"
    except SeedloomError as error:
        yield _event(_error(str(error), "server_error"))


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


def _error(message: str, kind: str) -> dict[str, Any]:
    return {"error": {"message": " ".join(message.split()), "type": kind, "param": None, "code": None}}


async def _refusal(request: Request, error: Exception) -> Response:
    """What a client can mend, in one line."""
    if isinstance(error, HTTPException):
        return JSONResponse(_error(error.detail, "invalid_request_error"), error.status_code, error.headers)
    if isinstance(error, DeviceError):
        return JSONResponse(_error(str(error), "server_error"), 503)
    return JSONResponse(_error(str(error), "invalid_request_error"), 400)


async def _fault(request: Request, error: Exception) -> Response:
    """A fault of ours; its traceback goes to stderr."""
    return JSONResponse(_error("this is a fault of the server's; its log says more", "server_error"), 500)
