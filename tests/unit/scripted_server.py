"""A server in this process that does as it is told: slow, overloaded, broken, gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web

from ttscale.types import JSON

Behaviour = Callable[[web.Request, Mapping[str, JSON]], Awaitable[web.StreamResponse]]
"""How one request is answered, given its JSON body."""


def sse(*events: JSON, done: bool = True) -> Behaviour:
    """Answer with a stream of these events."""

    async def answer(request: web.Request, body: Mapping[str, JSON]) -> web.StreamResponse:
        response = await _open_stream(request)
        for event in events:
            await send(response, event)
        if done:
            await response.write(b"data: [DONE]\n\n")
        return response

    return answer


async def _open_stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


async def send(response: web.StreamResponse, event: JSON) -> None:
    """Send one event."""
    await response.write(f"data: {json.dumps(event)}\n\n".encode())


def piece(text: str, *, choice: int = 0, finish: str | None = None) -> dict[str, JSON]:
    """Return a chat event that brings some text of one choice."""
    return {"choices": [{"index": choice, "delta": {"content": text}, "finish_reason": finish}]}


def bill(prompt: int, completion: int, *, cached: int | None = None) -> dict[str, JSON]:
    """Return the event that carries the usage."""
    usage: dict[str, JSON] = {"prompt_tokens": prompt, "completion_tokens": completion}
    if cached is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": cached}
    return {"choices": [], "usage": usage}


def document(*texts: str, prompt: int = 7, completion: int = 12) -> Behaviour:
    """Answer with one JSON document, one choice a text."""
    choices: list[JSON] = [
        {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for index, text in enumerate(texts)
    ]
    usage: JSON = {"prompt_tokens": prompt, "completion_tokens": completion}
    return raw(json.dumps({"choices": choices, "usage": usage}))


def raw(text: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Answer with this text as JSON, valid or not."""

    async def answer(request: web.Request, body: Mapping[str, JSON]) -> web.StreamResponse:
        return web.Response(text=text, status=status, content_type="application/json", headers=headers)

    return answer


def refusal(status: int, message: str = "no", *, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Answer with an error of this status."""
    return raw(json.dumps({"error": {"message": message, "code": None}}), status=status, headers=headers)


def cut(*events: JSON) -> Behaviour:
    """Send these events, then break the connection."""

    async def answer(request: web.Request, body: Mapping[str, JSON]) -> web.StreamResponse:
        if events:
            response = await _open_stream(request)
            for event in events:
                await send(response, event)
        assert request.transport is not None
        request.transport.close()
        await asyncio.sleep(0)
        return web.Response()

    return answer


def paused(*events: JSON, then: Sequence[JSON] = ()) -> tuple[Behaviour, asyncio.Event]:
    """Send these events, wait for the returned event to be set, send the rest."""
    go_on = asyncio.Event()

    async def answer(request: web.Request, body: Mapping[str, JSON]) -> web.StreamResponse:
        response = await _open_stream(request)
        for event in events:
            await send(response, event)
        await go_on.wait()
        for event in then:
            await send(response, event)
        await response.write(b"data: [DONE]\n\n")
        return response

    return answer, go_on


@dataclass
class ScriptedServer:
    """A server on a free port of the loopback device; each request is answered by the next behaviour in line.

    The last behaviour is used again and again. Entering starts it.
    """

    behaviours: list[Behaviour]
    models: JSON = None
    """What ``/v1/models`` answers; ``None``: there is no such page."""
    pages: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further GET pages by path."""
    bodies: list[Mapping[str, JSON]] = field(default_factory=list[Mapping[str, JSON]], init=False)
    paths: list[str] = field(default_factory=list[str], init=False)
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]], init=False)
    num_gone: int = field(default=0, init=False)
    """Requests whose client went away before their end."""
    num_open: int = field(default=0, init=False)
    peak_open: int = field(default=0, init=False)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for a condition on what this server has seen."""
        async with self._changed:
            await self._changed.wait_for(holds)

    async def _change(self, num_open: int) -> None:
        async with self._changed:
            self.num_open += num_open
            self.peak_open = max(self.peak_open, self.num_open)
            self._changed.notify_all()

    async def __aenter__(self) -> Self:
        self._changed = asyncio.Condition()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._get)
        app.router.add_post("/{path:.*}", self._post)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.root = f"http://{host}:{port}"
        self.url = f"{self.root}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _get(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        if request.path == "/v1/models" and self.models is not None:
            return web.json_response(self.models)
        if request.path in self.pages:
            return web.Response(text=self.pages[request.path])
        return web.Response(status=404)

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        self.paths.append(request.path)
        self.headers.append(dict(request.headers))
        behaviour = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
        await self._change(+1)
        try:
            return await behaviour(request, body)
        except (asyncio.CancelledError, ConnectionError):
            self.num_gone += 1
            raise
        finally:
            await self._change(-1)


def vllm_models(name: str, *, context_length: int = 512) -> JSON:
    """Return the list of models as vLLM gives it."""
    return {"object": "list", "data": [{"id": name, "owned_by": "vllm", "max_model_len": context_length}]}
