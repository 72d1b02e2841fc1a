"""The openai backend on a server in trouble: slow, overloaded, broken, gone."""

from __future__ import annotations

import json
import logging

import pytest
from tenacity import RetryCallState

from tests.unit.openai_bench import ANSWER, asked, drawn, serving
from tests.unit.scripted_server import (
    Behaviour,
    cut,
    paused,
    piece,
    raw,
    refusal,
    sse,
)
from ttscale.backends.openai.transport import pause_seconds
from ttscale.types import SampleUsage


@pytest.mark.parametrize(
    "trouble",
    [
        refusal(429),
        refusal(500),
        refusal(503),
        cut(),
        sse(done=False),
        raw('{"error": {"message": "overloaded", "code": 503}}'),
        sse({"error": {"message": "overloaded", "code": 529}}, done=False),
    ],
    ids=["429", "500", "503", "gone", "empty", "error document", "error event"],
)
@pytest.mark.usefixtures("no_pauses")
async def test_passing_trouble_is_waited_out(trouble: Behaviour) -> None:
    async with serving(trouble, trouble, ANSWER) as (server, backend):
        (chunk,) = (await drawn(backend, asked())).values()
    assert (chunk.text, chunk.finish_reason) == ("It is 4.", "stop")
    assert len(server.bodies) == 3


@pytest.mark.usefixtures("no_pauses")
async def test_trouble_that_stays_is_an_error_after_the_last_retry() -> None:
    async with serving(refusal(503, "loading"), max_retries=2) as (server, backend):
        (chunk,) = (await drawn(backend, asked())).values()
    assert (chunk.finish_reason, chunk.error, chunk.usage) == ("error", "HTTP 503: loading", SampleUsage())
    assert len(server.bodies) == 3


async def test_retries_are_told_to_those_who_listen_and_to_nobody_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses = list[float]()

    def short_pause(state: RetryCallState) -> float:
        pauses.append(pause_seconds(state))
        return 0.0

    monkeypatch.setattr("ttscale.backends.openai.transport.pause_seconds", short_pause)
    with caplog.at_level(logging.INFO, "ttscale"):
        async with serving(refusal(429, "busy", headers={"Retry-After": "20"}), ANSWER) as (_, backend):
            assert (await drawn(backend, asked()))[0].finish_reason == "stop"
    assert 20.0 <= pauses[0] <= 21.0
    (record,) = [record for record in caplog.records if record.name.startswith("ttscale")]
    assert record.levelno == logging.INFO
    assert "HTTP 429: busy" in record.getMessage()


async def test_a_server_that_wants_a_very_long_pause_is_not_asked_again() -> None:
    async with serving(refusal(429, "come back tomorrow", headers={"Retry-After": "86400"})) as (
        server,
        backend,
    ):
        (chunk,) = (await drawn(backend, asked())).values()
    assert chunk.error == "HTTP 429: come back tomorrow (it wants to be left alone for 86400 s)"
    assert len(server.bodies) == 1


async def test_spent_credit_is_not_retried() -> None:
    body = json.dumps({"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}})
    async with serving(raw(body, status=429)) as (server, backend):
        assert (await drawn(backend, asked()))[0].error == "HTTP 429: You exceeded your quota"
    assert len(server.bodies) == 1


@pytest.mark.usefixtures("no_pauses")
async def test_a_silent_server_is_given_up() -> None:
    silent, _ = paused()
    async with serving(silent, timeout_seconds=0.1, max_retries=1) as (server, backend):
        (chunk,) = (await drawn(backend, asked())).values()
    assert (chunk.finish_reason, chunk.error) == ("error", "the server did not answer in time")
    assert len(server.bodies) == 2


async def test_a_stream_cut_after_tokens_keeps_them_and_is_not_repeated() -> None:
    async with serving(cut(piece("It "), piece("is"))) as (server, backend):
        (chunk,) = (await drawn(backend, asked())).values()
    assert (chunk.finish_reason, chunk.text) == ("error", "It is")
    assert chunk.usage == SampleUsage(prompt_computed=3, generated=2)
    assert chunk.error
    assert len(server.bodies) == 1


async def test_a_stream_that_stops_midway_without_breaking_is_an_error_too() -> None:
    async with serving(sse(piece("It "), done=False)) as (_, backend):
        (chunk,) = (await drawn(backend, asked())).values()
    assert (chunk.finish_reason, chunk.text) == ("error", "It ")
    assert chunk.error == "the server cut the answer short"


async def test_silence_in_the_middle_of_an_answer_ends_it() -> None:
    answer, _ = paused(piece("It "))
    async with serving(answer, timeout_seconds=0.1) as (server, backend):
        (chunk,) = (await drawn(backend, asked())).values()
    assert (chunk.finish_reason, chunk.text) == ("error", "It ")
    assert chunk.error == "the server did not answer in time"
    assert len(server.bodies) == 1


@pytest.mark.parametrize("answer", [raw('{"choices": [{"ind'), raw("<html>hello</html>"), sse("no object")])
async def test_a_broken_answer_is_an_error(answer: Behaviour) -> None:
    async with serving(answer) as (server, backend):
        (chunk,) = (await drawn(backend, asked())).values()
    assert chunk.finish_reason == "error"
    assert chunk.error is not None
    assert "broken answer" in chunk.error
    assert len(server.bodies) == 1


async def test_an_error_in_the_middle_of_a_stream_ends_the_sample_with_what_there_was() -> None:
    async with serving(sse(piece("It "), {"error": {"message": "out of memory"}})) as (_, backend):
        (chunk,) = (await drawn(backend, asked())).values()
    assert (chunk.finish_reason, chunk.text, chunk.error) == ("error", "It ", "out of memory")


async def test_a_redirect_is_not_followed_but_told() -> None:
    async with serving(raw("", status=308, headers={"Location": "https://elsewhere.test/v1"})) as (_, backend):
        (chunk,) = (await drawn(backend, asked())).values()
    assert chunk.error == "HTTP 308: it sends us on to https://elsewhere.test/v1; use that address"


async def test_a_secret_in_a_servers_message_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEY", "sk-secret")
    async with serving(refusal(400, "sk-secret is odd"), api_key_variable="OTHER_KEY") as (server, backend):
        (chunk,) = (await drawn(backend, asked())).values()
        assert "sk-secret" not in repr(backend)
    assert chunk.error == "HTTP 400: *** is odd"
    assert server.headers[-1]["Authorization"] == "Bearer sk-secret"
