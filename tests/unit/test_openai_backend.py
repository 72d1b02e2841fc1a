"""The openai backend on a server that does as it is told: slow, overloaded, broken, gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import stamina
from aiohttp import web

from tests.integration.servers import (
    Behaviour,
    ScriptedServer,
    bill,
    cut,
    document,
    paused,
    piece,
    raw,
    refusal,
    sse,
    vllm_models,
)
from ttscale.backends.base import Chunk, Request
from ttscale.backends.openai import OpenAIBackend
from ttscale.backends.openai.failures import RequestFailed, retry_after_seconds, wait_before_retry
from ttscale.backends.openai.server import Server, find_server
from ttscale.backends.openai.transport import Transport, proxy_for
from ttscale.errors import BackendUnavailable, ConfigError, ParameterError
from ttscale.registry import build
from ttscale.types import JSON, Message, Prompt, SampleUsage, Sampling

QUESTION = Prompt.user("What is 2+2?")
ANSWER = sse(piece("It "), piece("is 4."), piece("", finish="stop"), bill(20, 6))


@pytest.fixture
def no_pauses() -> Iterator[None]:
    """Retries happen at once."""
    stamina.set_testing(True, attempts=100, cap=True)
    yield
    stamina.set_testing(False)


@asynccontextmanager
async def serving(
    *behaviours: Behaviour, models: JSON = None, **options: object
) -> AsyncIterator[tuple[ScriptedServer, OpenAIBackend]]:
    """Start a server and a backend on it."""
    options.setdefault("timeout_seconds", 5.0)
    async with (
        ScriptedServer(list(behaviours), models=models) as server,
        OpenAIBackend("m", base_url=server.url, **options) as backend,  # type: ignore[arg-type]
    ):
        yield server, backend


def asked(n: int = 1, prompt: Prompt = QUESTION, *, stream: bool = False, **sampling: object) -> Request:
    chosen = Sampling(**{"max_tokens": 30, "temperature": 1.0, **sampling})  # type: ignore[arg-type]
    return Request(prompt=prompt, sampling=chosen, seeds=tuple(range(100, 100 + n)), stream=stream)


async def drawn(backend: OpenAIBackend, request: Request) -> dict[int, Chunk]:
    """Return the last chunk of each sample; without streaming it is the whole sample."""
    last = dict[int, Chunk]()
    async with backend.generate(request) as generation:
        async for chunk in generation:
            last[chunk.index] = chunk
    return last


# ── when all goes well ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_sample_is_drawn_and_billed() -> None:
    async with serving(ANSWER) as (server, backend):
        (chunk,) = (await drawn(backend, asked())).values()
    assert (chunk.text, chunk.finish_reason, chunk.error) == ("It is 4.", "stop", None)
    assert chunk.usage == SampleUsage(prompt_computed=20, generated=6)
    assert server.paths == ["/v1/chat/completions"]
    assert server.bodies[0]["seed"] == 100


async def test_streamed_text_arrives_piece_by_piece() -> None:
    answer, go_on = paused(piece("It "), then=[piece("is 4.", finish="stop"), bill(20, 6)])
    async with serving(answer) as (_, backend), backend.generate(asked(stream=True)) as generation:
        assert (await anext(generation)).text == "It "
        go_on.set()
        rest = [chunk async for chunk in generation]
    assert [chunk.text for chunk in rest] == ["is 4.", ""]
    assert rest[-1].usage == SampleUsage(prompt_computed=20, generated=6)


async def test_an_answer_in_one_document_is_read_too() -> None:
    async with serving(document("four"), streaming=False) as (server, backend):
        (chunk,) = (await drawn(backend, asked())).values()
        assert not backend.capabilities.stream
    assert (chunk.text, chunk.usage) == ("four", SampleUsage(prompt_computed=7, generated=12))
    assert server.bodies[0]["stream"] is False


async def test_a_server_that_streams_although_it_should_not_and_the_reverse_are_read() -> None:
    async with serving(document("four")) as (_, backend):
        assert (await drawn(backend, asked()))[0].text == "four"
    async with serving(ANSWER, streaming=False) as (_, backend):
        assert (await drawn(backend, asked()))[0].text == "It is 4."


async def test_samples_travel_together_and_are_delivered_as_they_end() -> None:
    first = [piece("a", choice=0), piece("b", choice=1), piece("", choice=1, finish="stop")]
    answer, go_on = paused(*first, then=[piece("aa", choice=0, finish="stop"), bill(20, 5)])
    async with serving(answer) as (server, backend), backend.generate(asked(2)) as generation:
        early = await anext(generation)
        assert (early.index, early.text, early.usage) == (1, "b", SampleUsage(generated=1))
        go_on.set()
        (late,) = [chunk async for chunk in generation]
    assert (late.text, late.usage) == ("aaa", SampleUsage(prompt_computed=20, generated=4))
    assert (server.bodies[0]["n"], server.bodies[0]["seed"], len(server.bodies)) == (2, 100, 1)


async def test_on_vllm_every_sample_is_a_request_of_its_own_seed() -> None:
    async with serving(ANSWER, models=vllm_models("m")) as (server, backend):
        assert len(await drawn(backend, asked(3))) == 3
        assert backend.capabilities.seeds
        assert backend.profile.context_length == 512
    assert sorted(body["seed"] for body in server.bodies) == [100, 101, 102]  # type: ignore[type-var]
    assert all("n" not in body for body in server.bodies)


async def test_the_user_may_choose_how_many_samples_a_request_asks_for() -> None:
    both = sse(piece("a", finish="stop"), piece("b", choice=1, finish="stop"), bill(20, 2))
    async with serving(both, models=vllm_models("m"), samples_per_request="all") as (server, backend):
        assert {chunk.text for chunk in (await drawn(backend, asked(2))).values()} == {"a", "b"}
        assert not backend.capabilities.seeds
    assert len(server.bodies) == 1
    async with serving(ANSWER, samples_per_request="one") as (server, backend):
        await drawn(backend, asked(2))
    assert len(server.bodies) == 2


# ── when the server does not do everything ────────────────────────────────────────────────────────────────────


async def test_a_server_that_ignores_n_is_asked_for_the_rest_and_not_trusted_again() -> None:
    async with serving(ANSWER) as (server, backend):
        samples = await drawn(backend, asked(3))
        assert {chunk.finish_reason for chunk in samples.values()} == {"stop"}
        assert [body.get("n", 1) for body in server.bodies] == [3, 1, 1]
        assert [body["seed"] for body in server.bodies] == [100, 101, 102]
        assert sum(chunk.usage.generated for chunk in samples.values() if chunk.usage) == 18
        await drawn(backend, asked(2))
    assert [body.get("n", 1) for body in server.bodies[3:]] == [1, 1]


async def test_a_server_that_refuses_n_is_asked_one_by_one() -> None:
    no = refusal(400, "'n' : number must be at most 1")
    async with serving(no, ANSWER) as (server, backend):
        samples = await drawn(backend, asked(3))
    assert {chunk.text for chunk in samples.values()} == {"It is 4."}
    assert [body.get("n", 1) for body in server.bodies] == [3, 1, 1, 1]


async def test_a_sample_left_out_can_still_be_stopped() -> None:
    answer, _ = paused(piece("b"))
    async with serving(ANSWER, answer) as (server, backend), backend.generate(asked(2)) as generation:
        assert (await anext(generation)).index == 0
        await server.until(lambda: len(server.bodies) == 2)
        generation.abort()
        assert (await anext(generation)).finish_reason == "abort"


async def test_a_request_the_server_refuses_fails_with_its_words_and_is_not_repeated() -> None:
    async with serving(refusal(400, "This model's maximum context length is 8 tokens.")) as (server, backend):
        samples = await drawn(backend, asked(2))
    assert [chunk.error for chunk in samples.values()] == [
        "HTTP 400: This model's maximum context length is 8 tokens."
    ] * 2
    assert {chunk.finish_reason for chunk in samples.values()} == {"error"}
    assert samples[0].usage == SampleUsage()
    assert len(server.bodies) == 1


async def test_what_cannot_even_be_asked_fails_without_a_request() -> None:
    async with serving(ANSWER) as (server, backend):
        unfinished = Prompt(messages=(*QUESTION.messages, Message("assistant", "It")))
        failed = await drawn(backend, asked(2, unfinished))
    assert [chunk.finish_reason for chunk in failed.values()] == ["error", "error"]
    assert "prefill=" in (failed[0].error or "")
    assert server.bodies == []


async def test_an_unfinished_answer_is_continued_where_the_server_can() -> None:
    unfinished = Prompt(messages=(*QUESTION.messages, Message("assistant", "It")))
    async with serving(ANSWER, models=vllm_models("m")) as (server, backend):
        assert (await drawn(backend, asked(1, unfinished)))[0].finish_reason == "stop"
    assert server.bodies[0]["continue_final_message"] is True


# ── when things go wrong ──────────────────────────────────────────────────────────────────────────────────────


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


async def test_the_pause_a_server_asks_for_is_kept() -> None:
    pauses = list[float]()
    stamina.instrumentation.set_on_retry_hooks([lambda details: pauses.append(details.wait_for)])
    try:
        async with serving(refusal(429, headers={"Retry-After-Ms": "30"}), ANSWER) as (_, backend):
            assert (await drawn(backend, asked()))[0].finish_reason == "stop"
    finally:
        stamina.instrumentation.set_on_retry_hooks(None)
    assert pauses == [0.03]


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
    assert (chunk.finish_reason, chunk.text, chunk.usage) == ("error", "It is", SampleUsage(generated=2))
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


# ── stopping ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_leaving_a_generation_closes_the_connection_and_keeps_the_account() -> None:
    answer, _ = paused(piece("It "), piece("is"))
    async with serving(answer) as (server, backend):
        async with backend.generate(asked(stream=True)) as generation:
            assert [(await anext(generation)).text, (await anext(generation)).text] == ["It ", "is"]
        last = [chunk async for chunk in generation]
        await server.until(lambda: server.num_open == 0)
    assert [(chunk.finish_reason, chunk.usage) for chunk in last] == [("abort", SampleUsage(generated=2))]
    assert server.num_gone == 1


async def test_one_sample_can_be_stopped_alone() -> None:
    short, _ = paused(piece("a"))
    longer, go_on = paused(piece("b"), then=[piece("b", finish="stop"), bill(20, 2)])
    async with serving(short, longer, samples_per_request="one") as (server, backend):
        async with backend.generate(asked(2, stream=True)) as generation:
            begun = {(await anext(generation)).index, (await anext(generation)).index}
            assert begun == {0, 1}
            stopped = next(index for index, body in enumerate(server.bodies) if body["seed"] == 100)
            generation.abort([stopped])
            assert (await anext(generation)).finish_reason == "abort"
            go_on.set()
            rest = [chunk async for chunk in generation]
        assert rest[-1].finish_reason in ("stop", "abort")


async def test_closing_the_backend_settles_what_still_runs() -> None:
    answer, _ = paused()
    async with ScriptedServer([answer]) as server:
        backend = OpenAIBackend("m", base_url=server.url, samples_per_request="one")
        await backend.start()
        generation = backend.generate(asked(3))
        await backend.aclose()
        assert [chunk.finish_reason async for chunk in generation] == ["abort"] * 3
        await backend.aclose()
        (late,) = (await drawn(backend, asked())).values()
        assert (late.finish_reason, "not running" in (late.error or "")) == ("error", True)
        await server.until(lambda: server.num_open == 0)


# ── how much at once ──────────────────────────────────────────────────────────────────────────────────────────


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
        def __init__(self, rate_limit: int, period: float) -> None:
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


# ── starting ──────────────────────────────────────────────────────────────────────────────────────────────────


async def starting(url: str, model: str = "m", **options: object) -> str:
    """Return the message with which a backend refuses to start."""
    backend = OpenAIBackend(model, base_url=url, timeout_seconds=2.0, **options)  # type: ignore[arg-type]
    with pytest.raises(BackendUnavailable) as caught:
        await backend.start()
    await backend.aclose()
    return str(caught.value)


async def test_a_server_that_is_not_there_is_an_error_that_names_the_address() -> None:
    async with ScriptedServer([ANSWER]) as server:
        pass
    message = await starting(server.url)
    assert message.startswith(f"no server answers at {server.url}")
    assert message.endswith("start it or check the address")


async def test_a_wrong_model_name_is_an_error_that_names_the_models() -> None:
    models: JSON = {"data": [{"id": "qwen3-8b"}, {"id": "other"}]}
    async with ScriptedServer([ANSWER], models=models) as server:
        message = await starting(server.url, "qwen3-8B")
    assert message.endswith("has no model 'qwen3-8B'; it serves 'qwen3-8b', 'other'")


async def test_many_models_are_not_all_listed() -> None:
    models: JSON = {"data": [{"id": f"model-{number}"} for number in range(30)]}
    async with ScriptedServer([ANSWER], models=models) as server:
        message = await starting(server.url, "gpt")
    assert message.endswith("'model-14', 'model-15' and 22 more")


async def test_a_missing_v1_in_the_address_is_noticed() -> None:
    async with ScriptedServer([ANSWER], models={"data": [{"id": "m"}]}) as server:
        assert (
            await starting(server.root)
            == f"{server.root} is not the address of the API; write {server.root}/v1"
        )


async def test_a_server_without_a_list_of_models_is_taken_as_it_is() -> None:
    async with serving(ANSWER) as (_, backend):
        assert backend.profile.context_length is None
        assert not backend.capabilities.token_ids


async def test_a_page_that_is_no_list_of_models_is_an_error() -> None:
    async with ScriptedServer([ANSWER], pages={"/v1/models": "<html>Welcome</html>"}) as server:
        assert "check the address" in await starting(server.url)


@pytest.mark.usefixtures("no_pauses")
async def test_a_server_that_lets_nobody_in_or_does_not_work_says_so_at_the_start() -> None:
    for status, words in ((401, "OPENAI_API_KEY"), (500, "does not work: HTTP 500")):
        app = web.Application()

        async def refuse(request: web.Request, status: int = status) -> web.Response:
            return web.Response(status=status, text="no")

        app.router.add_get("/v1/models", refuse)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        assert words in await starting(f"http://{host}:{port}/v1", max_retries=1)
        await runner.cleanup()


@pytest.mark.parametrize(("version", "gives"), [("0.32.0", True), ("0.10.1.1", False), ("dev", True)])
async def test_an_old_vllm_is_known_to_return_no_token_ids(version: str, gives: bool) -> None:
    pages = {"/version": json.dumps({"version": version})}
    async with ScriptedServer([ANSWER], models=vllm_models("m"), pages=pages) as server:
        transport = Transport(
            server.url,
            api_key=None,
            max_concurrency=1,
            requests_per_second=None,
            max_retries=0,
            timeout_seconds=5.0,
        )
        await transport.start()
        found = await find_server(transport, "m", key_variable="KEY")
        await transport.aclose()
    assert found == Server(is_vllm=True, returns_token_ids=gives, context_length=512)


# ── configuration ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_concurrency": 0}, "max_concurrency must be >= 1; got 0"),
        ({"max_retries": -1}, "max_retries must be >= 0"),
        ({"timeout_seconds": 0.0}, "timeout_seconds must be > 0"),
        ({"requests_per_second": 0.0}, "requests_per_second must be > 0"),
        ({"profile_fields": {"num_params": 3}}, "profile_fields must be of .*num_parameters"),
        ({"base_url": "localhost:8000/v1"}, "base_url must be http"),
        ({"api": "chats"}, "api="),
        ({"api_key": "sk-1"}, "no parameter 'api_key'"),
    ],
)
def test_a_wrong_option_is_an_error_that_names_it(options: dict[str, JSON], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        build(OpenAIBackend, {"model": "m", "base_url": "http://h/v1", **options}, label="backend 'openai'")


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        OpenAIBackend("m", base_url="http://me:hunter2@h/v1")
    assert "hunter2" not in str(caught.value)


def test_what_is_known_of_the_model_can_be_said() -> None:
    backend = OpenAIBackend("m", base_url="http://h/v1/", profile_fields={"num_parameters": 8_000_000_000})
    assert backend.base_url == "http://h/v1"
    assert (backend.profile.name, backend.profile.num_parameters) == ("m", 8_000_000_000)
    assert backend.encode(QUESTION) is QUESTION
    assert backend.decode([1]) == ""
    assert backend.count_tokens(QUESTION) >= 12


def test_openais_own_address_is_known() -> None:
    backend = OpenAIBackend("m", base_url="https://api.openai.com/v1")
    assert backend._dialect.max_tokens_field == "max_completion_tokens"  # pyright: ignore[reportPrivateUsage]


# ── waiting before another attempt ────────────────────────────────────────────────────────────────────────────


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
    assert wait_before_retry(ValueError()) is False
    assert wait_before_retry(RequestFailed("no", retryable=False)) is False
    assert wait_before_retry(RequestFailed("no", retryable=True)) is True
    assert wait_before_retry(RequestFailed("no", retryable=True, retry_after_seconds=3.0)) == 3.0
    assert wait_before_retry(RequestFailed("no", retryable=True, retry_after_seconds=4000.0)) is False


def test_a_proxy_serves_other_machines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "inside.test")
    proxies = {"http": "http://proxy.test:3128", "https": "http://proxy.test:3129"}
    assert proxy_for("https://api.test/v1", proxies) == "http://proxy.test:3129"
    assert proxy_for("http://inside.test/v1", proxies) is None
    for local in ("http://127.0.0.1:8000/v1", "http://localhost/v1", "http://[::1]:80/v1"):
        assert proxy_for(local, proxies) is None
    assert proxy_for("https://api.test/v1", {}) is None
