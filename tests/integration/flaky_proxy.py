"""A proxy that makes a good server look like one in trouble."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp import web

_PIECE_BYTES: Final = 61
"""Answers are passed on in pieces of this size, which cut events and characters anywhere."""
_TROUBLES: Final = ("too many requests", "server error", "gone before the answer", "empty answer")


class FlakyProxy:
    """Passes requests on to a server, but each one only at its second attempt; the first meets with trouble.

    Entering starts it on a free port of the loopback device.

    Args:
        url: of the server's API, ending in ``/v1``.
    """

    def __init__(self, url: str) -> None:
        self._target = url.removesuffix("/v1")
        self._stack = AsyncExitStack()
        self._attempts = Counter[bytes]()
        self._troubles = itertools.cycle(_TROUBLES)
        self.troubles = Counter[str]()
        """How often each trouble was made."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._session = await stack.enter_async_context(aiohttp.ClientSession(self._target))
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", self._handle)
            runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            self.url = f"http://{host}:{port}/v1"
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self._attempts[body] += 1
        if request.method == "POST" and self._attempts[body] % 2:
            return await self._make_trouble(request)
        return await self._pass_on(request, body)

    async def _make_trouble(self, request: web.Request) -> web.StreamResponse:
        trouble = next(self._troubles)
        self.troubles[trouble] += 1
        match trouble:
            case "too many requests":
                return web.Response(status=429, headers={"Retry-After-Ms": "1"})
            case "server error":
                return web.Response(status=500, text="<h1>Internal server error</h1>")
            case "empty answer":
                return web.Response(content_type="text/event-stream")
            case _:
                assert request.transport is not None
                request.transport.close()
                await asyncio.sleep(0)
                return web.Response()

    async def _pass_on(self, request: web.Request, body: bytes) -> web.StreamResponse:
        headers = {"Content-Type": request.content_type}
        async with self._session.request(request.method, request.path_qs, data=body, headers=headers) as answer:
            response = web.StreamResponse(status=answer.status)
            response.content_type = answer.content_type
            await response.prepare(request)
            async for piece in answer.content.iter_chunked(_PIECE_BYTES):
                await response.write(piece)
            return response
