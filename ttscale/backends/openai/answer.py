"""A response as the events that it consists of."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Final

import aiohttp

from ttscale.backends.openai.failures import RequestFailed, network_errors
from ttscale.backends.openai.sse import DONE, MAX_EVENT_BYTES, EventParser
from ttscale.errors import BackendError

_DRAIN_SECONDS: Final = 1.0
"""How long the end of an answer that is complete may take to arrive before its connection is given up."""
_MAX_ERROR_BYTES: Final = 1 << 16


class Answer:
    """A successful response, as the data of its events; a plain JSON document counts as one event."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._parser = EventParser()
        self._waiting = deque[str]()
        self._ended = False
        self._is_complete = False

    async def load_first(self) -> str | None:
        """Wait for the first event and return its data, without taking it from the answer."""
        if self._response.content_type != "text/event-stream":
            body = await read_body(self._response, MAX_EVENT_BYTES)
            self._waiting.extend((body.decode(errors="replace"), DONE))
            self._ended = True
        while not self._waiting and not self._ended:
            await self._receive()
        return self._waiting[0] if self._waiting else None

    async def _receive(self) -> None:
        received = await self._response.content.readany()
        self._ended = not received
        self._waiting.extend(self._parser.feed(received) if received else self._parser.finish())

    async def events(self) -> AsyncGenerator[str]:
        """Yield the data of each event up to the one that ends the stream.

        Raises:
            RequestFailed: the connection broke, or the stream ended before its proper end.
        """
        while True:
            while self._waiting:
                data = self._waiting.popleft()
                if data.strip() == DONE:
                    self._is_complete = True
                    return
                yield data
            if self._ended:
                raise RequestFailed("the server cut the answer short", retryable=True)
            with network_errors():
                await self._receive()

    async def aclose(self) -> None:
        """Give the connection back if the answer is complete, else close it, which stops the server's work."""
        if self._is_complete:
            await self._drain()
        if not self._response.content.at_eof():
            self._response.close()
        self._response.release()

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self._response.content.at_eof():
                    await self._response.content.readany()
        except (aiohttp.ClientError, TimeoutError):
            return


async def read_body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Read a body to its end.

    Raises:
        BackendError: it is longer than `most` bytes.
    """
    body = bytearray()
    async for received in response.content.iter_any():
        body.extend(received)
        if len(body) > most:
            raise BackendError(f"the server sent more than {most >> 20} MiB in one answer")
    return bytes(body)


async def read_start(response: aiohttp.ClientResponse) -> str:
    """Read the first `_MAX_ERROR_BYTES` of an error's body; what cannot be read is left out."""
    body = bytearray()
    try:
        async for received in response.content.iter_any():
            body.extend(received)
            if len(body) >= _MAX_ERROR_BYTES:
                break
    except (aiohttp.ClientError, OSError, TimeoutError):
        pass
    return bytes(body[:_MAX_ERROR_BYTES]).decode(errors="replace")
