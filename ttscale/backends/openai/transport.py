"""HTTP: one pooled session, pacing, retries with backoff."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from ipaddress import ip_address
from typing import Final
from urllib.request import getproxies, proxy_bypass

import aiohttp
from asyncio_throttle.throttler import Throttler
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    before_sleep_log,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)
from yarl import URL

from ttscale.backends.openai.answer import Answer, read_body, read_start
from ttscale.backends.openai.failures import (
    LONGEST_RETRY_AFTER_SECONDS,
    RequestFailed,
    is_transient,
    may_pass,
    network_errors,
    retry_after_seconds,
)
from ttscale.backends.openai.replies import clean_message, error_code, error_message
from ttscale.backends.openai.sse import MAX_EVENT_BYTES
from ttscale.errors import BackendError
from ttscale.types import JSON

_CONNECT_SECONDS: Final = 15.0
"""Longest wait for a connection, where `timeout_seconds` is not shorter still."""
_KEEP_ALIVE_SECONDS: Final = 4.0
"""Idle connections are closed before common servers close them (after 5 s), which would lose a request."""
_FIRST_PAUSE_SECONDS: Final = 0.5
"""Pause after the first failure, and most of the random time added to each pause; doubled with each attempt."""
_LONGEST_PAUSE_SECONDS: Final = 30.0
_BACKOFF: Final = wait_exponential(multiplier=_FIRST_PAUSE_SECONDS, max=_LONGEST_PAUSE_SECONDS)
_SPREAD: Final = wait_random(0.0, _FIRST_PAUSE_SECONDS)
_LONGEST_POLL_SECONDS: Final = 0.01
_OK: Final = 200

_LOG: Final = logging.getLogger(__name__)


def proxy_for(url: str, proxies: Mapping[str, str]) -> str | None:
    """Return the proxy that the environment wants for an address; never one for this machine itself."""
    parts = URL(url)
    host = parts.host or ""
    if host == "localhost" or _is_loopback(host) or proxy_bypass(host):
        return None
    return proxies.get(parts.scheme)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _has_status(error: BaseException) -> bool:
    """Return whether to ask again for a document: only a server that is there is asked again."""
    return may_pass(error) and isinstance(error, RequestFailed) and error.status is not None


def pause_seconds(state: RetryCallState) -> float:
    """Return the pause before the next attempt: ever longer ones, and at least as long as the server wants.

    They are spread at random, so that requests that failed together do not come back together.
    """
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.retry_after_seconds if isinstance(error, RequestFailed) else None
    return max(_BACKOFF(state), asked or 0.0) + _SPREAD(state)


class Pace:
    """Lets callers pass at even distances, in the order in which they came."""

    def __init__(self, per_second: float) -> None:
        period = 1.0 / per_second
        self._throttler = Throttler(1, period, retry_interval=min(_LONGEST_POLL_SECONDS, period / 10))
        self._turn = asyncio.Lock()

    async def wait(self) -> None:
        """Return when the caller may go."""
        async with self._turn:  # the throttler lets those who wait poll, all at once and in any order
            await self._throttler.acquire()


class Transport:
    """Sends requests to one server. Belongs to the event loop it was started on."""

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None,
        max_concurrency: int,
        requests_per_second: float | None,
        max_retries: int,
        timeout_seconds: float,
    ) -> None:
        """Make a transport; nothing is opened before `start`.

        Args:
            base_url: what endpoints' paths are appended to, without a slash at its end.
            api_key: sent as a bearer token; never part of a message.
            max_concurrency: most requests at once, >= 1.
            requests_per_second: most requests begun in a second, evenly spaced; ``None``: no limit.
            max_retries: further attempts after a failure that may pass, >= 0.
            timeout_seconds: longest silence of the server, > 0.
        """
        self.base_url = base_url
        self._api_key = api_key
        self._slots = asyncio.Semaphore(max_concurrency)
        self._pace = None if requests_per_second is None else Pace(requests_per_second)
        self._max_attempts = max_retries + 1
        self._timeout_seconds = timeout_seconds
        self._proxy = proxy_for(base_url, getproxies())
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the session; no connection is made yet."""
        headers = {"User-Agent": "ttscale"}
        if self._api_key is not None:
            headers["Authorization"] = f"Bearer {self._api_key}"
        silence = self._timeout_seconds
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=min(silence, _CONNECT_SECONDS), sock_read=silence
            ),
        )

    async def aclose(self) -> None:
        """Close every connection; calling it twice is harmless."""
        if self._session is not None:
            await self._session.close()

    async def get(self, url: str) -> str:
        """Return a small document. A server that is not there is asked only once.

        Raises:
            RequestFailed: it did not answer, or with an error status.
        """
        return await self._retrying(_has_status)(self._read, url)

    async def _read(self, url: str) -> str:
        response = await self._request("GET", url)
        with network_errors(), closing(response):
            return (await read_body(response, MAX_EVENT_BYTES)).decode(errors="replace")

    @asynccontextmanager
    async def post(
        self, path: str, body: Mapping[str, JSON], *, on_sent: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[Answer]:
        """Send a request and open its answer, trying again while nothing of an answer has arrived.

        A request that waits for its next attempt keeps its place among the `max_concurrency`, so that a server
        in trouble is asked less. Leaving the block before the answer's end closes the connection.

        Args:
            path: of the endpoint, appended to the base URL.
            body: of the request.
            on_sent: called whenever the server is about to be asked, after all waiting for its turn.

        Raises:
            RequestFailed: no attempt got an answer.
            BackendError: the answer is not what the protocol says.
        """
        data = json.dumps(body).encode()
        async with self._slots:
            answer: Answer = await self._retrying(may_pass)(self._ask, f"{self.base_url}{path}", data, on_sent)
            try:
                yield answer
            finally:
                await answer.aclose()

    def _retrying(self, on: Callable[[BaseException], bool]) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception(on),
            stop=stop_after_attempt(self._max_attempts),
            wait=pause_seconds,
            before_sleep=before_sleep_log(_LOG, logging.INFO),
            reraise=True,
        )

    async def _ask(self, url: str, data: bytes, on_sent: Callable[[], None]) -> Answer:
        """Make one attempt; return its answer once the first event is there."""
        if self._pace is not None:
            await self._pace.wait()
        on_sent()
        response = await self._request("POST", url, data)
        answer = Answer(response)
        try:
            with network_errors():
                first = await answer.load_first()
            self._check_first(first)
        except BaseException:
            response.close()
            raise
        return answer

    async def _request(self, method: str, url: str, data: bytes | None = None) -> aiohttp.ClientResponse:
        """Return the response once its head is there.

        Raises:
            RequestFailed: there is none, or its status is not 200.
        """
        if self._session is None:
            raise BackendError("the backend is not running; use it inside `async with backend:`")
        headers = {"Content-Type": "application/json"} if data is not None else {}
        with network_errors():
            response = await self._session.request(
                method, url, data=data, headers=headers, proxy=self._proxy, allow_redirects=False
            )
        if response.status == _OK:
            return response
        with closing(response):
            raise self._failure(response, await read_start(response))

    def _failure(self, response: aiohttp.ClientResponse, body: str) -> RequestFailed:
        status, wait = response.status, retry_after_seconds(response.headers, time.time())
        message = error_message(body)
        if target := response.headers.get("Location"):
            message = f"it sends us on to {clean_message(target)}; use that address"
        if wait is not None and wait > LONGEST_RETRY_AFTER_SECONDS:
            message += f" (it wants to be left alone for {wait:.0f} s)"
        return RequestFailed(
            f"HTTP {status}: {self._without_key(message)}",
            retryable=is_transient(status, error_code(body)),
            status=status,
            retry_after_seconds=wait,
        )

    def _check_first(self, data: str | None) -> None:
        """Refuse an answer that ends before it began, or begins with an error.

        Raises:
            RequestFailed: it does.
        """
        if data is None:
            raise RequestFailed("the server closed the connection without an answer", retryable=True)
        if '"choices"' in data or '"error"' not in data:
            return
        code = error_code(data)
        status = code if isinstance(code, int) else None
        message = self._without_key(error_message(data))
        retryable = status is not None and is_transient(status, code)
        raise RequestFailed(f"the server reports: {message}", retryable=retryable, status=status)

    def _without_key(self, message: str) -> str:
        return message.replace(self._api_key, "***") if self._api_key else message
