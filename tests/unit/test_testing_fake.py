"""FakeBackend: exact times, exact accounts, nothing that runs on behind an abort."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from ttscale.backends.base import Capabilities, Chunk, Generation, ModelProfile, Request
from ttscale.testing import EVERYTHING, FakeBackend, Reply, Script, noisy_answers, virtual_clock
from ttscale.testing.fake import TOY
from ttscale.types import Message, Prompt, SampleUsage, Sampling

PROMPT = Prompt.user("hi")
"""Five tokens: mark, h, i, end mark, mark."""


def ask(
    backend: FakeBackend,
    *,
    prompt: Prompt = PROMPT,
    sampling: Sampling | None = None,
    seeds: tuple[int, ...] = (1,),
    stream: bool = False,
    priority: int = 0,
) -> Generation:
    """Send a request."""
    return backend.generate(
        Request(
            prompt=backend.encode(prompt),
            sampling=sampling or Sampling(),
            seeds=seeds,
            stream=stream,
            priority=priority,
        )
    )


async def read(generation: Generation) -> list[tuple[float, Chunk]]:
    """Return all chunks with their times."""
    loop = asyncio.get_running_loop()
    return [(round(loop.time(), 6), chunk) async for chunk in generation]


async def last(script: Script, sampling: Sampling | None = None, prompt: Prompt = PROMPT) -> Chunk:
    """Return the one chunk of one sample."""
    async with FakeBackend(script) as backend:
        ((_, chunk),) = await read(ask(backend, sampling=sampling, prompt=prompt))
    return chunk


# ── time ──────────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_the_kth_token_appears_at_its_time() -> None:
    async with FakeBackend("abc", seconds_per_token=0.5, first_token_seconds=2.0) as backend:
        chunks = await read(ask(backend, stream=True))
    assert [(time, chunk.text) for time, chunk in chunks] == [(2.5, "a"), (3.0, "b"), (3.5, "c")]
    assert [chunk.finish_reason for _, chunk in chunks] == [None, None, "stop"]


@virtual_clock
async def test_without_streaming_a_sample_is_one_chunk_at_its_end() -> None:
    async with FakeBackend("abc", seconds_per_token=0.5) as backend:
        ((time, chunk),) = await read(ask(backend))
    assert (time, chunk.text, chunk.token_ids) == (1.5, "abc", (97, 98, 99))


@virtual_clock
async def test_a_reply_may_have_its_own_duration() -> None:
    async with FakeBackend(Reply("abcd", seconds=2.0)) as backend:
        chunks = await read(ask(backend, stream=True))
    assert [time for time, _ in chunks] == [0.5, 1.0, 1.5, 2.0]


@virtual_clock
async def test_an_empty_reply_ends_after_its_duration() -> None:
    async with FakeBackend(Reply("", seconds=2.0)) as backend:
        ((time, chunk),) = await read(ask(backend))
    assert (time, chunk.text, chunk.finish_reason) == (2.0, "", "stop")


@virtual_clock
async def test_samples_beyond_the_slots_wait_and_start_as_others_end() -> None:
    script = [Reply("x", seconds=seconds) for seconds in (3.0, 1.0, 1.0, 1.0)]
    async with FakeBackend(script, batch_size=2) as backend:
        generation = ask(backend, seeds=(1, 2, 3, 4))
        assert (backend.num_running, backend.num_waiting) == (2, 2)
        chunks = await read(generation)
    assert [(time, chunk.index) for time, chunk in chunks] == [(1.0, 1), (2.0, 2), (3.0, 0), (3.0, 3)]
    assert backend.peak_running == 2
    assert [record.started for record in backend.records] == [0.0, 0.0, 1.0, 2.0]


@virtual_clock
async def test_waiting_samples_start_in_order_of_priority() -> None:
    async with FakeBackend(Reply("x", seconds=1.0), batch_size=1) as backend:
        generations = [ask(backend, priority=priority) for priority in (0, 5, -1)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read(generation)) for generation in generations]
    assert [task.result()[0][0] for task in tasks] == [1.0, 3.0, 2.0]


async def test_it_works_on_an_ordinary_event_loop() -> None:
    async with FakeBackend("abc", seconds_per_token=0.001) as backend:
        chunks = [chunk async for chunk in ask(backend, stream=True)]
    assert "".join(chunk.text for chunk in chunks) == "abc"


# ── accounts ──────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_the_prompt_is_charged_to_the_first_sample_that_starts() -> None:
    async with FakeBackend("abc") as backend:
        chunks = await read(ask(backend, seeds=(1, 2, 3)))
    usages = {chunk.index: chunk.usage for _, chunk in chunks}
    assert usages == {
        0: SampleUsage(prompt_computed=5, generated=3),
        1: SampleUsage(prompt_cached=5, generated=3),
        2: SampleUsage(prompt_cached=5, generated=3),
    }


@virtual_clock
async def test_an_abort_accounts_for_exactly_what_was_generated_until_then() -> None:
    async with FakeBackend("x" * 100, seconds_per_token=1.0) as backend:
        generation = ask(backend, seeds=(1, 2))
        await asyncio.sleep(7.5)
        generation.abort([1])
        await asyncio.sleep(2.0)
        generation.abort()
        await asyncio.sleep(1000.0)
        assert backend.engine_tokens == 7 + 9
        chunks = [chunk async for chunk in generation]
    assert [(chunk.index, chunk.finish_reason, chunk.text) for chunk in chunks] == [
        (1, "abort", "x" * 7),
        (0, "abort", "x" * 9),
    ]
    assert chunks[0].usage == SampleUsage(prompt_cached=5, generated=7)


@virtual_clock
async def test_what_runs_counts_as_it_goes() -> None:
    async with FakeBackend("x" * 100, seconds_per_token=1.0) as backend:
        generation = ask(backend)
        await asyncio.sleep(3.2)
        assert backend.engine_tokens == 3
        await generation.aclose()


@virtual_clock
async def test_a_sample_aborted_while_it_waits_has_used_nothing() -> None:
    async with FakeBackend("x" * 10, batch_size=1) as backend:
        generation = ask(backend, seeds=(1, 2))
        generation.abort([1])
        chunks = await read(generation)
    assert chunks[0][1].usage == SampleUsage()
    assert backend.records[1].started is None
    assert chunks[1][1].usage == SampleUsage(prompt_computed=5, generated=10)


@virtual_clock
async def test_the_account_of_an_abort_may_take_its_time_and_keeps_the_slot() -> None:
    async with FakeBackend("x" * 10, seconds_per_token=1.0, abort_seconds=0.5) as backend:
        generation = ask(backend)
        await asyncio.sleep(2.0)
        generation.abort()
        assert backend.num_running == 1
        ((time, chunk),) = await read(generation)
    assert (time, chunk.text) == (2.5, "xx")
    assert (backend.num_running, backend.records[0].ended) == (0, 2.0)


@virtual_clock
async def test_an_abandoned_generation_runs_on_until_it_is_closed() -> None:
    async with FakeBackend("x" * 10, seconds_per_token=1.0) as backend:
        generation = ask(backend, stream=True)
        async for _ in generation:
            break
        await asyncio.sleep(4.0)
        assert backend.engine_tokens == 5
        await generation.aclose()
        await asyncio.sleep(100.0)
        assert backend.engine_tokens == 5


@virtual_clock
async def test_closing_the_backend_ends_everything() -> None:
    backend = FakeBackend("x" * 10, seconds_per_token=1.0, batch_size=2, abort_seconds=0.1)
    async with backend:
        generation = ask(backend, seeds=(1, 2, 3))
        await asyncio.sleep(1.0)
    assert not generation.open_samples
    assert (backend.num_running, backend.num_waiting, backend.engine_tokens) == (0, 0, 2)
    ((_, late),) = await read(ask(backend))
    assert late.error is not None
    assert "not running" in late.error


# ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
@pytest.mark.parametrize(
    ("reply", "sampling", "text", "generated", "reason"),
    [
        (Reply("abcdef"), Sampling(max_tokens=3), "abc", 3, "length"),
        (Reply("abcdef"), Sampling(max_tokens=6), "abcdef", 6, "stop"),
        (Reply("abcdef"), Sampling(stop=("cd",)), "ab", 4, "stop"),
        (Reply("abcdef"), Sampling(stop=("ef", "bc")), "a", 3, "stop"),
        (Reply("abcdef"), Sampling(stop=("cd",), max_tokens=3), "abc", 3, "length"),
        (Reply("abcdef"), Sampling(stop=("cd",), max_tokens=4), "ab", 4, "stop"),
        (Reply("abcdef"), Sampling(stop_token_ids=(ord("d"),)), "abc", 4, "stop"),
        (Reply("ab", num_tokens=10), Sampling(), "ab", 10, "stop"),
        (Reply("ab", num_tokens=10), Sampling(max_tokens=8), "", 8, "length"),
        (Reply("ab", num_tokens=10), Sampling(max_tokens=9), "a", 9, "length"),
        (Reply("abc", finish_reason="length"), Sampling(), "abc", 3, "length"),
        (Reply("abc", error="broken"), Sampling(), "abc", 3, "error"),
        (Reply("abc", error="broken", fail_after=1), Sampling(), "a", 1, "error"),
        (Reply("abc", error="broken", fail_after=0), Sampling(), "", 0, "error"),
        (Reply("abc", error="broken"), Sampling(max_tokens=2), "ab", 2, "length"),
    ],
)
async def test_a_sample_ends_where_it_must(
    reply: Reply, sampling: Sampling, text: str, generated: int, reason: str
) -> None:
    chunk = await last(reply, sampling)
    assert (chunk.text, chunk.finish_reason) == (text, reason)
    assert chunk.usage is not None
    assert chunk.usage.generated == generated == len(chunk.token_ids)
    assert chunk.error == ("broken" if reason == "error" else None)


@virtual_clock
async def test_streamed_text_never_shows_what_becomes_a_stop_string() -> None:
    async with FakeBackend("a<b</s>c") as backend:
        chunks = await read(ask(backend, sampling=Sampling(stop=("</s>",)), stream=True))
    assert [chunk.text for _, chunk in chunks] == ["a", "", "<b", "", "", "", ""]
    assert [len(chunk.token_ids) for _, chunk in chunks] == [1] * 7


@virtual_clock
async def test_the_context_limits_a_sample() -> None:
    async with FakeBackend("x" * 100, profile=replace(TOY, context_length=15)) as backend:
        ((_, chunk),) = await read(ask(backend))
        assert (chunk.finish_reason, len(chunk.token_ids)) == ("length", 10)
        ((_, chunk),) = await read(ask(backend, prompt=Prompt(text="y" * 15)))
        assert chunk.finish_reason == "error"


@virtual_clock
async def test_a_failing_script_fails_its_samples_and_says_why() -> None:
    chunk = await last({"something else": "x"})
    assert chunk.finish_reason == "error"
    assert chunk.error is not None
    assert "no reply to 'hi'" in chunk.error


# ── what it is asked ──────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_scripts_see_the_conversation_as_it_was_asked() -> None:
    seen = list[tuple[Prompt, int, int]]()

    def rule(prompt: Prompt, seed: int, ordinal: int) -> str:
        seen.append((prompt, seed, ordinal))
        return "x"

    conversation = Prompt(
        messages=(Message("system", "Be brief."), Message("user", "Why?"), Message("assistant", "Bec"))
    )
    async with FakeBackend(rule) as backend:
        await read(ask(backend, prompt=conversation, seeds=(7, 8)))
        await read(ask(backend, prompt=Prompt(text="raw")))
    assert seen == [(conversation, 7, 0), (conversation, 8, 1), (Prompt(text="raw"), 1, 2)]


@virtual_clock
async def test_scripts_may_be_texts_sequences_and_mappings() -> None:
    script: Script = {"hi": ["a", Reply("b")], "ho": "c"}
    async with FakeBackend(script) as backend:
        texts = [chunk.text for _, chunk in await read(ask(backend, seeds=(1, 2, 3)))]
        texts += [chunk.text for _, chunk in await read(ask(backend, prompt=Prompt.user("ho")))]
    assert texts == ["a", "b", "a", "c"]


@virtual_clock
async def test_a_continued_reply_goes_on_where_it_was() -> None:
    async with FakeBackend(Reply("abcdef", num_tokens=8, seconds=8.0)) as backend:
        ((_, begun),) = await read(ask(backend, sampling=Sampling(max_tokens=5)))
        ids = (*(backend.encode(PROMPT).token_ids or ()), *begun.token_ids)
        ((time, rest),) = await read(ask(backend, prompt=Prompt(token_ids=ids)))
    assert (begun.text, rest.text, len(rest.token_ids), time) == ("abc", "def", 3, 8.0)


@virtual_clock
async def test_at_temperature_zero_the_seed_does_not_matter() -> None:
    async with FakeBackend(noisy_answers("1", 0.5, ["2", "3"])) as backend:
        greedy = await read(ask(backend, sampling=Sampling(temperature=0.0), seeds=tuple(range(20))))
        warm = await read(ask(backend, sampling=Sampling(temperature=1.0), seeds=tuple(range(20))))
    assert len({chunk.text for _, chunk in greedy}) == 1
    assert len({chunk.text for _, chunk in warm}) == 3


@virtual_clock
async def test_it_refuses_what_its_capabilities_leave_out() -> None:
    async with FakeBackend("abc", capabilities=Capabilities()) as backend:
        assert backend.encode(PROMPT) == PROMPT
        for sampling in (Sampling(stop=("x",)), Sampling(logprobs=0)):
            ((_, chunk),) = await read(ask(backend, sampling=sampling))
            assert chunk.finish_reason == "error"
        ((_, chunk),) = await read(ask(backend, prompt=Prompt(token_ids=(97,))))
        assert chunk.finish_reason == "error"
        ((_, chunk),) = await read(ask(backend, stream=True))
        assert (chunk.text, chunk.token_ids) == ("abc", ())


@virtual_clock
async def test_logprobs_are_those_of_the_script() -> None:
    chunk = await last(Reply("ab", logprobs=[-0.25, -2.0]), Sampling(logprobs=2))
    assert chunk.logprobs == (-0.25, -2.0)
    assert chunk.top_logprobs is not None
    assert [len(top) for top in chunk.top_logprobs] == [2, 3]
    assert [top[token] for top, token in zip(chunk.top_logprobs, b"ab", strict=True)] == [-0.25, -2.0]


@virtual_clock
async def test_top_logprobs_can_be_scripted_and_belong_to_their_tokens_in_a_continuation_too() -> None:
    reply = Reply("ab", top_logprobs=[{"a": -0.1, "x": -2.5, "y": -4.0}, {"b": -0.2, "z": -1.5}])
    chunk = await last(reply, Sampling(logprobs=2))
    assert chunk.top_logprobs == ({97: -0.1, ord("x"): -2.5}, {98: -0.2, ord("z"): -1.5})
    begun = Prompt(messages=(Message("user", "hi"), Message("assistant", "a")))
    assert (await last(reply, Sampling(logprobs=1), begun)).top_logprobs == ({98: -0.2},)


def test_wrong_construction_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size"):
        FakeBackend("x", batch_size=0)
    with pytest.raises(ValueError, match="prefix_cache"):
        FakeBackend("x", capabilities=replace(EVERYTHING, prefix_cache=True))
    with pytest.raises(ValueError, match="num_tokens"):
        Reply("abc", num_tokens=2)
    with pytest.raises(ValueError, match="one a token"):
        Reply("abc", logprobs=[-1.0])
    with pytest.raises(ValueError, match="top_logprobs must be one a token"):
        Reply("abc", top_logprobs=[{"a": -1.0}])
    with pytest.raises(ValueError, match="fail_after"):
        Reply("abc", fail_after=1)
    with pytest.raises(ValueError, match="other than '1'"):
        noisy_answers("1", 0.5, ["1"])


def test_an_unknown_profile_limits_nothing() -> None:
    backend = FakeBackend("x", profile=ModelProfile(name="unknown"))
    assert backend.profile.context_length is None
