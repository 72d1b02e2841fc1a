"""Urgency: its numbers, and the order in which samples with and without deadlines are admitted."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

import pytest

from ttscale.engine import Engine
from ttscale.run import Run
from ttscale.scheduling import Workflow, dispatch_score, stage_objective, urgency
from ttscale.scheduling.urgency import filled_estimates
from ttscale.testing import FakeBackend, FunctionStrategy, Reply, virtual_clock
from ttscale.types import Problem, Prompt


def test_the_worked_numbers_of_two_jobs() -> None:
    first = stage_objective(60, 10, 5, [15])
    second = stage_objective(30, 20, 4, [1])
    assert (first, second) == (12.5, 8.0)
    assert (urgency(5, first, 2), urgency(4, second, 1)) == (-5.5, -3.0)


def test_a_late_job_is_more_urgent_than_one_that_can_still_be_in_time() -> None:
    late, early = stage_objective(10, 40, 2), stage_objective(10, 0, 2)
    assert late == -30
    assert urgency(2, late, 0) > 0 > urgency(2, early, 0)


def test_the_last_stage_has_all_that_is_left() -> None:
    assert stage_objective(60, 45, 3) == 15


def test_an_engine_is_chosen_by_load_or_by_speed() -> None:
    quick_and_full = {"engine_seconds": 2.0, "engine_load": 30.0}
    slow_and_idle = {"engine_seconds": 4.0, "engine_load": 0.0}

    def score(engine: Mapping[str, float], alpha: float) -> float:
        return dispatch_score(
            engine["engine_seconds"], engine["engine_load"], base_seconds=4, base_load=10, alpha=alpha
        )

    assert (score(quick_and_full, 0), score(slow_and_idle, 0)) == (-3.0, 0.0)
    assert (score(quick_and_full, 1), score(slow_and_idle, 1)) == (2.0, 1.0)
    assert score(quick_and_full, 0.5) == -0.5


def test_a_missing_estimate_is_the_mean_of_the_others() -> None:
    assert filled_estimates([2, None, 4]) == (2.0, 3.0, 4.0)
    assert filled_estimates([None, None]) == (1.0, 1.0)


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_wrong_numbers_are_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="slo_seconds must be > 0 and finite"):
        stage_objective(wrong, 0, 1)
    with pytest.raises(ValueError, match="estimate of a stage must be > 0"):
        Workflow(1, [1, wrong], began=0)
    with pytest.raises(ValueError, match="base_load must be > 0"):
        dispatch_score(1, 1, base_seconds=1, base_load=wrong)


def test_a_workflow_needs_a_stage() -> None:
    with pytest.raises(ValueError, match="one stage or more"):
        Workflow(1, [], began=0)


def test_the_time_at_which_a_stage_must_begin_gives_its_urgency_at_any_time() -> None:
    work = Workflow(60, [5, 15], began=100)
    start_by = work.start_by(110)
    assert 112 - start_by == pytest.approx(urgency(5, stage_objective(60, 10, 5, [15]), 2))
    work.advance()
    assert work.start_by(120) == 120 + (60 - 20) - 15
    work.advance()
    assert work.stage == 1


# ── admission ─────────────────────────────────────────────────────────────────────────────────────────────


def asking(name: str, order: list[str], *, within: float | None) -> FunctionStrategy:
    """Return a strategy that draws one sample and writes down when it was its turn."""

    async def body(run: Run) -> str:
        if within is not None:
            run.wanted_within(within, stages=(1.0,))
        async with run.child(label="work") as child, child.sample(name) as samples:
            await anext(samples)
        order.append(name)
        return name

    return FunctionStrategy(body=body)


async def admitted(jobs: Mapping[str, float | None], *, seconds: float = 1.0) -> list[str]:
    """Return the order in which questions come to their turn where one at a time has one."""
    order = list[str]()
    backend = FakeBackend(Reply("x", seconds=seconds), batch_size=1)
    async with Engine(backend, max_in_flight=1) as engine, asyncio.TaskGroup() as group:
        for name, within in jobs.items():
            problem = Problem(id=name, prompt=Prompt.user(name))
            group.create_task(engine.solve(problem, strategy=asking(name, order, within=within)))
    return order


@virtual_clock
async def test_the_most_urgent_goes_first() -> None:
    jobs = {"relaxed": 50.0, "urgent": 5.0, "between": 20.0}
    assert await admitted(jobs) == ["urgent", "between", "relaxed"]


@virtual_clock
async def test_without_deadlines_questions_go_in_their_order() -> None:
    assert await admitted({"a": None, "b": None, "c": None}) == ["a", "b", "c"]


@virtual_clock
async def test_who_has_no_deadline_goes_last_but_not_never() -> None:
    jobs: dict[str, float | None] = {"none": None, "soon": 5.0, "late": 500.0}
    assert await admitted(jobs) == ["soon", "none", "late"]


@virtual_clock
async def test_a_stream_of_urgent_questions_does_not_starve_one_without_a_deadline() -> None:
    order = list[str]()
    backend = FakeBackend(Reply("x", seconds=2.0), batch_size=1)
    async with Engine(backend, max_in_flight=1) as engine, asyncio.TaskGroup() as group:
        group.create_task(engine.solve("first", strategy=asking("first", order, within=3.0)))
        group.create_task(engine.solve("patient", strategy=asking("patient", order, within=None)))
        for number in range(60):  # two seconds of work come every two seconds
            await asyncio.sleep(2.0)
            name = f"urgent {number}"
            group.create_task(engine.solve(name, strategy=asking(name, order, within=3.0)))
    assert 25 <= order.index("patient") <= 35


@virtual_clock
async def test_late_questions_are_not_turned_away_and_go_first_once_there_is_a_place() -> None:
    order = list[str]()

    async def late(run: Run) -> str:
        work = run.wanted_within(1.0, stages=(1.0, 1.0))
        async with run.sample("first stage") as samples:
            await anext(samples)
        work.advance()
        async with run.sample("second stage") as samples:
            await anext(samples)
        order.append("late")
        return "done"

    backend = FakeBackend(Reply("x", seconds=10.0), batch_size=1)
    async with Engine(backend, max_in_flight=1) as engine, asyncio.TaskGroup() as group:
        group.create_task(engine.solve("late", strategy=FunctionStrategy(body=late)))
        for number in range(2):
            group.create_task(engine.solve("Q", strategy=asking(f"in time {number}", order, within=100.0)))
    # the place was taken again before its second stage was asked for, and what runs is not interrupted
    assert order == ["in time 0", "late", "in time 1"]


@virtual_clock
async def test_who_waits_and_is_cancelled_is_forgotten() -> None:
    order = list[str]()
    backend = FakeBackend(Reply("x", seconds=5.0), batch_size=1)
    async with Engine(backend, max_in_flight=1) as engine, asyncio.TaskGroup() as group:
        group.create_task(engine.solve("a", strategy=asking("a", order, within=9.0)))
        given_up = group.create_task(engine.solve("b", strategy=asking("b", order, within=1e3)))
        await asyncio.sleep(1.0)
        assert engine.room.scheduler.statistics().waiting == 1
        given_up.cancel()
        await asyncio.sleep(0)
        assert engine.room.scheduler.statistics().waiting == 0
    assert order == ["a"]
    assert len(backend.requests) == 1
