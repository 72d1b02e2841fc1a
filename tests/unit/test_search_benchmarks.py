"""The benchmarks of tree search: their drivers with barriers, and how they count."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import pytest

from benchmarks.search_barriers import (
    WAYS,
    Meeting,
    Pass,
    Way,
    chance_of_end,
    check_same,
    judging,
    search_all,
    virtual_turn,
    writing,
)
from benchmarks.search_cache import Call, WatchedRebase, calls_of, least_computed, run_all
from ttscale.engine import Engine
from ttscale.registry import create_verifier
from ttscale.testing import FakeBackend, virtual_clock
from ttscale.testing.fake import TOY, Record
from ttscale.types import Problem

QUESTIONS = [Problem.ask(f"question {number}", id=f"q{number}") for number in range(3)]
JUDGED = "width=6,verifier=prm:model=judge,max_step_tokens=null"


@virtual_clock
async def test_members_of_a_meeting_wait_for_the_last_one_each_time() -> None:
    meeting, seen = Meeting(2), list[tuple[str, float]]()

    async def member(name: str, seconds: float) -> None:
        for _ in range(2):
            await asyncio.sleep(seconds)
            await meeting.wait()
            seen.append((name, round(asyncio.get_running_loop().time(), 6)))

    async with asyncio.TaskGroup() as group:
        group.create_task(member("slow", 3.0))
        group.create_task(member("quick", 1.0))
    assert sorted(seen) == [("quick", 3.0), ("quick", 6.0), ("slow", 3.0), ("slow", 6.0)]


@virtual_clock
async def test_nobody_waits_for_a_member_that_has_left() -> None:
    meeting = Meeting(2)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(meeting.wait())
        await asyncio.sleep(1.0)
        assert not waiting.done()
        meeting.leave()
    await asyncio.wait_for(meeting.wait(), timeout=1.0)


async def trial(way: Way) -> tuple[FakeBackend, FakeBackend]:
    """Search all questions in one way, and return who wrote and who judged."""
    writer, judge = FakeBackend(writing(median=20.0, spread=0.8), batch_size=8), FakeBackend(judging(0.1))
    async with Engine(writer, models={"judge": judge}) as engine:
        await search_all(engine, QUESTIONS, f"rebase:{JUDGED}", way)
    return writer, judge


def by_depth(backend: FakeBackend, question: Problem | None = None) -> dict[int, list[Record]]:
    """Return what happened to the steps of each depth, of one question or of all."""
    found = dict[int, list[Record]]()
    for record in backend.records:
        text = backend.decode(backend.requests[record.request].prompt.token_ids or ())
        if question is None or question.prompt.question in text:
            found.setdefault(depth_of(backend, record), []).append(record)
    return found


def depth_of(backend: FakeBackend, record: Record) -> int:
    prompt = backend.requests[record.request].prompt.token_ids or ()
    return backend.decode(prompt).count("\n")


def last_end(records: Iterable[Record]) -> float:
    return max(record.ended or 0.0 for record in records)


def first_start(records: Iterable[Record]) -> float:
    return min(record.started or 0.0 for record in records)


@virtual_clock
async def test_with_a_barrier_for_all_no_depth_begins_before_all_of_the_last_one_is_scored() -> None:
    writer, judge = await trial("level")
    depths = by_depth(writer)
    assert len(depths) > 3
    for depth in range(len(depths) - 1):
        written, begins = last_end(depths[depth]), first_start(depths[depth + 1])
        scoring = [record for record in judge.records if written <= (record.started or 0.0) < begins]
        assert scoring
        assert last_end(scoring) <= begins
    idle = [first_start(depths[depth + 1]) - last_end(depths[depth]) for depth in range(len(depths) - 1)]
    assert min(idle) >= 0.1 - 1e-9  # nothing is written while scores are out


@virtual_clock
async def test_with_a_barrier_for_each_question_questions_overlap_and_depths_of_one_do_not() -> None:
    writer, _ = await trial("question")
    for question in QUESTIONS:
        depths = by_depth(writer, question)
        ends = [last_end(depths[depth]) for depth in range(len(depths))]
        assert all(first_start(depths[depth + 1]) >= end + 0.1 - 1e-9 for depth, end in enumerate(ends[:-1]))
    depths = by_depth(writer)
    assert any(first_start(depths[depth + 1]) < last_end(depths[depth]) for depth in range(len(depths) - 1))


@virtual_clock
async def test_without_barriers_depths_of_one_question_overlap() -> None:
    writer, _ = await trial("free")
    depths = by_depth(writer, QUESTIONS[0])
    assert any(first_start(depths[depth + 1]) < last_end(depths[depth]) for depth in range(len(depths) - 1))


@pytest.mark.slow
@virtual_clock
@pytest.mark.parametrize("search", ["rebase", "beam_search", "dvts"])
async def test_all_ways_come_to_the_same_and_barriers_take_three_tenths_longer(search: str) -> None:
    passes = await virtual_turn(
        f"{search}:{JUDGED}", num_questions=6, batch_size=32, judge_seconds=0.05, median=38.0, spread=0.76
    )
    check_same(passes)
    assert list(passes) == list(WAYS)
    assert passes["free"].generated > 0
    assert passes["free"].seconds <= passes["question"].seconds + 1e-6
    assert 1.3 * passes["free"].seconds <= passes["level"].seconds


def test_searches_that_differ_are_not_compared() -> None:
    free = Pass(seconds=1.0, generated=10, num_nodes=2, answers=("1",))
    check_same({"free": free, "level": replace(free, seconds=2.0)})
    for changes in ({"generated": 11}, {"num_nodes": 3}, {"answers": ("2",)}):
        with pytest.raises(AssertionError, match="came to"):
            check_same({"free": free, "level": replace(free, **changes)})


def test_scripted_solutions_have_the_length_that_is_said() -> None:
    reached, mean = 1.0, 0.0
    for depth in range(1, 26):
        ends = reached * chance_of_end(depth, 7.4)
        mean, reached = mean + depth * ends, reached - ends
    assert reached == 0.0
    assert mean == pytest.approx(7.4, abs=0.1)


def test_the_least_is_what_no_block_of_an_earlier_prompt_or_answer_holds() -> None:
    ids = tuple(range(12))
    first = Call(0.0, ids[:5], ids[5:9])  # computes 5; of its answer the last token is never read: 8 are kept
    second = Call(1.0, ids[:10], ())  # finds two blocks of four, computes 2
    whole = Call(2.0, ids[:8], ())  # its last token is computed anew, and with it the block: 4
    other = Call(3.0, (7, *ids[1:6]), ())  # differs in the first token: 6
    assert least_computed([other, second, whole, first], 4) == 5 + 2 + 4 + 6


@pytest.mark.slow
@virtual_clock
async def test_what_the_trees_say_is_what_ttscale_counts() -> None:
    profile = replace(TOY, prefix_block=4)
    writer = FakeBackend(writing(median=20.0, spread=0.8), profile=profile)
    judge = FakeBackend(judging(0.1), profile=profile)
    strategy = WatchedRebase(width=6, verifier=create_verifier("prm:model=judge"))
    async with Engine(writer, models={"judge": judge}) as engine:
        outcomes, _ = await run_all(engine, QUESTIONS, strategy)
        for problem, outcome in zip(QUESTIONS, outcomes, strict=True):
            calls = calls_of(engine, problem, strategy.searches[problem.id], outcome.trace, "judge")
            assert outcome.work is not None
            for model, given in calls.items():
                known = outcome.work.by_model[model]
                assert sum(len(call.prompt) for call in given) == known.prompt_computed + known.prompt_cached
                least = outcome.work.sharing_by_model[model].unshared_in_blocks
                assert least_computed(given, 4) == least
