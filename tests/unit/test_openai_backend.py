"""The openai backend on a server that keeps to the protocol, or to part of it."""

from __future__ import annotations

from tests.unit.openai_bench import ANSWER, QUESTION, asked, drawn, serving
from tests.unit.scripted_server import (
    ScriptedServer,
    bill,
    document,
    paused,
    piece,
    refusal,
    sse,
    vllm_models,
)
from ttscale.backends.openai import OpenAIBackend
from ttscale.types import Message, Prompt, SampleUsage

# ── when all goes well ──────────────────────────────────────────────────────────────────────────────────────


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


async def test_a_sample_stopped_before_its_one_document_came_is_charged_in_full() -> None:
    behaviour, _ = paused()
    async with (
        serving(behaviour, streaming=False) as (server, backend),
        backend.generate(asked()) as generation,
    ):
        await server.until(lambda: server.num_open == 1)
        generation.abort()
        (chunk,) = [chunk async for chunk in generation]
    assert chunk.finish_reason == "abort"
    assert chunk.usage is not None
    assert (chunk.usage.generated, chunk.usage.prompt_computed > 0) == (30, True)


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


# ── when the server does not do everything ──────────────────────────────────────────────────────────────────


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


# ── stopping ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_leaving_a_generation_closes_the_connection_and_keeps_the_account() -> None:
    answer, _ = paused(piece("It "), piece("is"))
    async with serving(answer) as (server, backend):
        async with backend.generate(asked(stream=True)) as generation:
            assert [(await anext(generation)).text, (await anext(generation)).text] == ["It ", "is"]
        last = [chunk async for chunk in generation]
        await server.until(lambda: server.num_open == 0)
    assert [(chunk.finish_reason, chunk.usage) for chunk in last] == [
        ("abort", SampleUsage(prompt_computed=3, generated=2))
    ]
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
