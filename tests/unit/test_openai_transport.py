"""How much goes over the wire at once, and when it is tried again."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from tenacity import AsyncRetrying, RetryCallState

from tests.unit.openai_bench import ANSWER, asked, drawn, serving
from tests.unit.scripted_server import (
    document,
    refusal,
)
from ttscale.backends.openai.failures import RequestFailed, may_pass, retry_after_seconds
from ttscale.backends.openai.transport import Pace, pause_seconds, proxy_for

# ── how much at once ────────────────────────────────────────────────────────────────────────────────────────


async def test_no_more_requests_are_open_than_allowed() -> None:
    async def slow(request: web.Request, body: object) -> web.StreamResponse:
        await asyncio.sleep(0.01)
        return await document("a")(request, {})

    async with serving(slow, samples_per_request="one", max_concurrency=3) as (server, backend):
        await drawn(backend, asked(12))
        assert backend.batch_size == 3
    assert server.peak_open == 3


@pytest.mark.usefixtures("no_pauses")
async def test_requests_are_paced_one_by_one_at_even_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    made, num_acquired = list[tuple[int, float]](), 0

    class CountingThrottler:
        def __init__(self, rate_limit: int, period: float, retry_interval: float) -> None:
            assert retry_interval <= period / 10
            made.append((rate_limit, period))

        async def acquire(self) -> None:
            nonlocal num_acquired
            num_acquired += 1

    monkeypatch.setattr("ttscale.backends.openai.transport.Throttler", CountingThrottler)
    async with serving(refusal(503), ANSWER, samples_per_request="one", requests_per_second=0.5) as (
        _,
        backend,
    ):
        await drawn(backend, asked(3))
    assert made == [(1, 2.0)]
    assert num_acquired == 4  # the second attempt of the request that failed is paced too


async def test_callers_pass_in_the_order_in_which_they_came() -> None:
    pace, passed = Pace(1000.0), list[int]()

    async def go(number: int) -> None:
        await pace.wait()
        passed.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(go(number))
    assert passed == list(range(12))


# ── waiting before another attempt ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "2.5"}, 2.5),
        ({"retry-after": "-3"}, 0.0),
        ({"Retry-After-Ms": "250", "Retry-After": "9"}, 0.25),
        ({"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90.0),
        ({"Retry-After": "soon"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, now=10.0) == seconds


def test_only_passing_failures_are_retried() -> None:
    assert not may_pass(ValueError())
    assert not may_pass(RequestFailed("no", retryable=False))
    assert may_pass(RequestFailed("no", retryable=True))
    assert may_pass(RequestFailed("no", retryable=True, retry_after_seconds=3.0))
    assert not may_pass(RequestFailed("no", retryable=True, retry_after_seconds=4000.0))


def pause_after(error: Exception, *, attempt: int) -> float:
    state = RetryCallState(AsyncRetrying(), None, (), {})
    state.attempt_number = attempt
    state.set_exception((type(error), error, None))
    return pause_seconds(state)


def test_pauses_grow_to_a_limit_and_last_at_least_as_long_as_the_server_wants() -> None:
    trouble = RequestFailed("no", retryable=True)
    for attempt, least in ((1, 0.5), (2, 1.0), (4, 4.0), (60, 30.0)):
        assert least <= pause_after(trouble, attempt=attempt) <= least + 0.5
    for asked_for, attempt, least in ((3.0, 1, 3.0), (0.0, 4, 4.0), (100.0, 60, 100.0)):
        patient = RequestFailed("no", retryable=True, retry_after_seconds=asked_for)
        assert least <= pause_after(patient, attempt=attempt) <= least + 0.5


def test_a_proxy_serves_other_machines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "inside.test")
    proxies = {"http": "http://proxy.test:3128", "https": "http://proxy.test:3129"}
    assert proxy_for("https://api.test/v1", proxies) == "http://proxy.test:3129"
    assert proxy_for("http://inside.test/v1", proxies) is None
    for local in ("http://127.0.0.1:8000/v1", "http://localhost/v1", "http://[::1]:80/v1"):
        assert proxy_for(local, proxies) is None
    assert proxy_for("https://api.test/v1", {}) is None
