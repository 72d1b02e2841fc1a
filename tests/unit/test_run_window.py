"""A window of samples, and what is left of a block that was cancelled."""

from __future__ import annotations

import asyncio

from tests.unit.test_run import ASK, lengths, run_on
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.run import Run
from ttscale.testing import FakeBackend, virtual_clock
from ttscale.testing.function_strategy import FunctionStrategy
from ttscale.types import Sampling


@virtual_clock
async def test_a_window_begins_the_next_sample_when_one_has_been_looked_at() -> None:
    backend = FakeBackend(lengths(30, 10, 20, 5))
    running = list[int]()

    async def body(run: Run) -> str:
        async with run.sample("Q", n=4, window=2) as samples:
            seen = list[str]()
            async for sample in samples:
                await asyncio.sleep(0.5)  # all that runs has ended by now, and nothing new was begun
                running.append(backend.num_running)
                seen.append(f"{sample.index}@{sample.critical_path_tokens}")
        return " ".join(seen)

    outcome = await run_on(backend, body)
    assert outcome.answer == "1@10 0@30 2@30 3@35"
    assert running == [0, 0, 0, 0]


@virtual_clock
async def test_a_sample_beyond_the_window_that_nobody_asked_for_is_never_drawn() -> None:
    backend = FakeBackend(lengths(*[10] * 9))

    async def body(run: Run) -> str:
        async with run.sample("Q", n=9, window=2) as samples:
            async for sample in samples:
                if sample.index == 2:
                    break
        return "done"

    outcome = await run_on(backend, body)
    assert outcome.usage.calls == 4


@virtual_clock
async def test_a_window_holds_one_sample_at_least() -> None:
    async def body(run: Run) -> str:
        async with run.sample("Q", n=2, window=0):
            return "never"

    assert "window must be >= 1, got 0" in str((await run_on(FakeBackend(lengths(1)), body)).error)


@virtual_clock
async def test_who_is_cancelled_while_leaving_a_block_leaves_nothing_running() -> None:
    backend = FakeBackend(lengths(10, 500, 500), abort_seconds=1.0)

    async def body(run: Run) -> str:
        async with run.sample("Q", n=3) as samples:
            await anext(samples)
        return "never"

    async with Engine(backend) as engine, asyncio.TaskGroup() as group:
        solving = group.create_task(engine.solve(ASK, strategy=FunctionStrategy(body=body)))
        await asyncio.sleep(0.5)  # the first has ended, the others are being aborted
        solving.cancel()
        await asyncio.wait([solving])
        assert solving.cancelled()
        assert backend.num_running == 0
        assert engine.ledger.reserved.tokens == 0


@virtual_clock
async def test_a_sample_that_waits_for_the_budget_can_be_aborted() -> None:
    backend = FakeBackend(lengths(10, 10))

    async def body(run: Run) -> str:
        async with run.sample("Q", n=2, sampling=Sampling(max_tokens=10)) as samples:
            samples.abort(1)  # it waits for the first to settle
            return ",".join([str(sample.index) async for sample in samples])

    outcome = await run_on(backend, body, budget=Budget(tokens=20))
    assert (outcome.answer, outcome.usage.calls) == ("0", 1)
