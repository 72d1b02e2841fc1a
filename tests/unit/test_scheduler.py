"""Admission: the window, the order, and joined requests."""

from __future__ import annotations

import asyncio

from ttscale.engine import Engine
from ttscale.run import Run
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.testing.function_strategy import FunctionStrategy
from ttscale.types import Outcome, Problem, Prompt, Sampling


def draw(n: int, prompt: str = "Q", *, max_tokens: int | None = None) -> FunctionStrategy:
    """Return a strategy that draws n samples and waits for all."""

    async def body(run: Run) -> str:
        async with run.sample(prompt, n=n, sampling=Sampling(max_tokens=max_tokens)) as samples:
            return str(len([sample async for sample in samples]))

    return FunctionStrategy(body=body)


async def solve_all(engine: Engine, strategies: dict[str, FunctionStrategy]) -> dict[str, Outcome]:
    """Solve one problem with each strategy at the same time."""
    async with asyncio.TaskGroup() as group:
        tasks = {
            name: group.create_task(engine.solve(Problem(id=name, prompt=Prompt.user("Q")), strategy=strategy))
            for name, strategy in strategies.items()
        }
    return {name: task.result() for name, task in tasks.items()}


@virtual_clock
async def test_runs_that_ask_the_same_prompt_with_the_same_sampling_share_a_request() -> None:
    backend = FakeBackend("x" * 10)
    async with Engine(backend) as engine:
        outcomes = await solve_all(engine, {"a": draw(3), "b": draw(2), "c": draw(2, max_tokens=5)})
    assert sorted(len(request.seeds) for request in backend.requests) == [2, 5]
    usages = [outcomes[name].usage for name in "abc"]
    assert sum(usage.calls for usage in usages) == 7
    prompt_tokens = usages[0].prompt_computed
    assert prompt_tokens > 0
    # the shared prompt is computed once and charged once
    assert [usage.prompt_computed for usage in usages] == [prompt_tokens, 0, prompt_tokens]
    assert usages[1].prompt_cached == 2 * prompt_tokens


@virtual_clock
async def test_the_window_fills_the_batch_and_no_more() -> None:
    backend = FakeBackend("x" * 10, batch_size=8)
    async with Engine(backend) as engine:
        await solve_all(engine, {str(number): draw(20) for number in range(5)})
        statistics = engine.room.scheduler.statistics()
    assert statistics.max_in_flight == statistics.peak_in_flight == 9
    assert (statistics.in_flight, statistics.waiting) == (0, 0)
    assert backend.peak_running == 8


@virtual_clock
async def test_a_finished_sample_is_replaced_at_once() -> None:
    backend = FakeBackend([Reply("x" * count) for count in (10, 90, 10, 10, 10, 10, 10, 10, 10)], batch_size=2)
    async with Engine(backend) as engine:
        (outcome,) = (await solve_all(engine, {"a": draw(9)})).values()
    # one slot is held by the long sample for 0.9 s, the other serves the eight short ones one after the other
    assert 0.9 <= outcome.seconds < 1.0


@virtual_clock
async def test_earlier_questions_go_first_so_that_they_finish_first() -> None:
    backend = FakeBackend("x" * 10, batch_size=4)
    async with Engine(backend) as engine:
        outcomes = await solve_all(engine, {name: draw(12) for name in ("first", "second", "third")})
    seconds = [outcomes[name].seconds for name in ("first", "second", "third")]
    assert seconds == sorted(seconds)
    assert seconds[0] < 0.5 * seconds[2]


@virtual_clock
async def test_max_in_flight_can_be_set() -> None:
    backend = FakeBackend("x" * 10)
    async with Engine(backend, max_in_flight=3) as engine:
        await solve_all(engine, {"a": draw(10)})
    assert backend.peak_running == 3
