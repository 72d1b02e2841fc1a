"""What a problem asks of engines: seconds at work, tokens in the cache and by model, the path in seconds."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.backends.base import Backend
from ttscale.engine import Engine
from ttscale.run import Run
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.testing.fake import TOY
from ttscale.testing.function_strategy import FunctionStrategy
from ttscale.tools import FunctionTool
from ttscale.trace import Span
from ttscale.trace.work import work_of
from ttscale.types import Outcome, SampleUsage, Sharing, Work

Body = Callable[[Run], Awaitable[str | None]]


def stay(number: int, began: float | None, end: float | None, *, prompt: int = 0, generated: int = 0) -> Span:
    attributes = {"prompt_computed": 0, "prompt_cached": prompt, "generated": generated}
    return Span(
        id=number,
        parent=None,
        kind="sample",
        name="sample",
        start=0.0 if began is None else began - 0.5,
        end=end,
        began=began,
        attributes={**attributes},
    )


def two_bytes(_: str | None) -> float:
    return 2.0


async def run_on(backend: Backend, body: Body, **models: Backend) -> Outcome:
    async with Engine(backend, models=models) as engine:
        return await engine.solve("Q", strategy=FunctionStrategy(body=body))


async def sample_all(run: Run, n: int) -> str:
    async with run.sample("Q", n=n) as samples:
        return str(len([sample async for sample in samples]))


# ── from spans ────────────────────────────────────────────────────────────────────────────────────────────


def test_token_steps_are_what_the_cache_holds_at_each_step() -> None:
    work = work_of(
        [stay(0, 0.0, 1.0, prompt=10, generated=3), stay(1, 0.0, 2.0, prompt=4, generated=2)], two_bytes
    )
    assert work.kv_token_steps == (11 + 12 + 13) + (5 + 6)
    assert work.kv_byte_steps == 2 * work.kv_token_steps
    assert work.seconds == 3.0


def test_the_peak_is_just_before_an_end() -> None:
    # At second 1 the first holds 10 + 10 and the second, half way, 4 + 10; later only the second holds 24.
    spans = [stay(0, 0.0, 1.0, prompt=10, generated=10), stay(1, 0.0, 2.0, prompt=4, generated=20)]
    work = work_of(spans, two_bytes)
    assert (work.peak_kv_tokens, work.peak_kv_bytes) == (34, 68.0)


def test_samples_that_follow_each_other_are_not_held_together() -> None:
    spans = [stay(0, 0.0, 1.0, prompt=10, generated=10), stay(1, 1.0, 2.0, prompt=4, generated=20)]
    assert work_of(spans, two_bytes).peak_kv_tokens == 24


def test_what_takes_no_time_is_held_for_an_instant() -> None:
    spans = [stay(0, 1.0, 1.0, prompt=5, generated=2), stay(1, 1.0, 1.0, prompt=6, generated=1)]
    assert work_of(spans, two_bytes).peak_kv_tokens == 14


def test_what_no_engine_had_and_what_has_not_ended_is_left_out() -> None:
    spans = [stay(0, None, 3.0, prompt=9, generated=9), stay(1, 1.0, None, prompt=9, generated=9)]
    assert work_of(spans, two_bytes) == Work(
        seconds=0,
        kv_token_steps=0,
        peak_kv_tokens=0,
        kv_byte_steps=0,
        peak_kv_bytes=0,
        by_model={},
        sharing=Sharing(
            computed=0, shared=0, unshared=0, unshared_in_blocks=0, kv_token_steps=0, peak_kv_tokens=0
        ),
        nodes={},
    )


def test_the_peak_in_bytes_weighs_each_models_tokens() -> None:
    own = stay(0, 0.0, 2.0, prompt=10, generated=0)
    child = Span(id=1, parent=None, kind="child", name="judge", start=0.0, attributes={"model": "big"})
    other = replace(stay(2, 1.0, 3.0, prompt=5, generated=0), parent=1)
    work = work_of([own, child, other], lambda model: 100.0 if model == "big" else 1.0)
    assert (work.peak_kv_tokens, work.peak_kv_bytes) == (15, 510.0)
    assert set(work.by_model) == {"", "big"}


stays = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 50), st.integers(0, 50)), max_size=12
)


@given(stays)
def test_the_peak_is_the_most_of_all_instants(given: list[tuple[int, int, int, int]]) -> None:
    spans = [
        stay(number, float(began), float(began + length), prompt=prompt, generated=generated)
        for number, (began, length, prompt, generated) in enumerate(given)
    ]

    def held(time: int, *, is_after: bool) -> float:
        """Return what is held just before an instant, or just after it with what takes no time."""
        total = 0.0
        for began, length, prompt, generated in given:
            if length == 0:
                total += (prompt + generated) * (is_after and began == time)
            elif began <= time < began + length if is_after else began < time <= began + length:
                total += prompt + generated * (time - began) / length
        return total

    instants = {began + length for began, length, _, _ in given}
    most = max((held(time, is_after=after) for time in instants for after in (False, True)), default=0.0)
    work = work_of(spans, two_bytes)
    assert work.peak_kv_bytes == 2 * work.peak_kv_tokens
    assert work.peak_kv_tokens == math.ceil(most - 1e-3)
    assert work.kv_token_steps == sum(
        sum(prompt + step for step in range(1, generated + 1)) for _, _, prompt, generated in given
    )


# ── from runs ─────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_run_knows_its_work_without_the_time_spent_waiting_for_a_turn() -> None:
    backend = FakeBackend([Reply("x" * 20)], batch_size=1, seconds_per_token=0.1)
    async with Engine(backend, max_in_flight=1) as engine:
        outcome = await engine.solve("Q", strategy=FunctionStrategy(body=lambda run: sample_all(run, 3)))
    assert outcome.work is not None
    assert outcome.seconds == pytest.approx(6.0)  # one after the other
    assert outcome.work.seconds == pytest.approx(6.0)  # and not 2 + 4 + 6
    assert outcome.critical_path_seconds == pytest.approx(2.0)  # each could have run beside the others
    prompt = outcome.usage.prompt_computed // 3
    assert outcome.work.kv_token_steps == 3 * sum(prompt + step for step in range(1, 21))
    assert outcome.work.peak_kv_tokens == prompt + 20
    assert outcome.work.peak_kv_bytes == (prompt + 20) * (TOY.kv_bytes_per_token or 0)


@virtual_clock
async def test_the_critical_path_goes_through_samples_tools_and_verifiers_one_after_another() -> None:
    async def wait() -> str:
        await asyncio.sleep(5)
        return "done"

    async def body(run: Run) -> str:
        async with run.sample("Q", n=2) as samples:
            drawn = [sample async for sample in samples]
        await run.call(FunctionTool(function=wait))
        async with run.extend(drawn[0], n=1) as samples:
            return str([round(sample.critical_path_seconds, 6) async for sample in samples])

    replies = [Reply("x" * 10), Reply("x" * 30), Reply("x" * 7)]
    outcome = await run_on(FakeBackend(replies, seconds_per_token=0.1), body)
    assert outcome.critical_path_seconds == pytest.approx(3.0 + 5.0 + 0.7)
    assert outcome.answer == "[8.7]"
    assert outcome.work is not None
    assert outcome.work.seconds == pytest.approx(1.0 + 3.0 + 0.7)


@virtual_clock
async def test_tokens_are_told_apart_by_model_and_a_model_of_unknown_size_has_no_bytes() -> None:
    async def body(run: Run) -> str:
        await sample_all(run, 1)
        async with run.child(model="other", label="other") as child:
            return await sample_all(child, 2)

    other = FakeBackend("four", profile=replace(TOY, name="other", num_layers=None))
    outcome = await run_on(FakeBackend("own words"), body, other=other)
    assert outcome.work is not None
    generated = {model: usage.generated for model, usage in outcome.work.by_model.items()}
    assert generated == {"": len("own words"), "other": 2 * len("four")}
    assert outcome.work.peak_kv_bytes is None
    assert outcome.work.peak_kv_tokens > 0


@virtual_clock
async def test_an_outcome_keeps_its_work_and_one_of_an_older_version_has_none() -> None:
    outcome = await run_on(FakeBackend("x"), lambda run: sample_all(run, 2))
    assert Outcome.from_json(outcome.to_json()) == outcome
    assert isinstance(outcome.work, Work)
    assert outcome.work.by_model[""] == SampleUsage(
        prompt_computed=outcome.usage.prompt_computed, prompt_cached=outcome.usage.prompt_cached, generated=2
    )
    old = {
        name: value
        for name, value in outcome.to_json().items()
        if name not in ("work", "critical_path_seconds")
    }
    assert Outcome.from_json(old).work is None
    assert Outcome.from_json(old).critical_path_seconds is None
