"""How parallel a problem's work was, from its trace."""

from __future__ import annotations

import pytest

from tests.thread_spans import Spans, two_forks
from ttscale import registry
from ttscale.engine import Engine
from ttscale.testing import FakeBackend, virtual_clock
from ttscale.types import JSON, Outcome
from ttscale_evals.metrics.threads import parallelism, self_speed_up, thread_measures


def outcome(spans: Spans, path: int) -> Outcome:
    return Outcome(answer=None, critical_path_tokens=path, trace=tuple(spans.all))


def drawn(*tokens: JSON, kind: str = "sample") -> Spans:
    """Return a trace of samples with these numbers of tokens."""
    spans = Spans()
    solve = spans.add("solve", "all", None, 0.0, 1.0)
    for number in tokens:
        spans.add(kind, "sample", solve, 0.0, 1.0, generated=number)
    return spans


def test_parallelism_is_generated_tokens_over_those_on_the_critical_path() -> None:
    assert parallelism(Outcome(answer=None, critical_path_tokens=170, trace=two_forks())) == 370 / 170
    assert parallelism(outcome(drawn(50, 30, 40), 50)) == 2.4
    assert parallelism(outcome(drawn(50), 50)) == 1.0


@pytest.mark.parametrize(("tokens", "path"), [((), 0), ((0,), 0), ((50,), 0), ((None, True, "7"), 5)])
def test_there_is_no_parallelism_of_nothing(tokens: tuple[JSON, ...], path: int) -> None:
    assert parallelism(outcome(drawn(*tokens), path)) is None


def threads(*lengths: tuple[JSON, JSON]) -> Spans:
    """Return a trace of roots with these tokens, in all and on the longest path, with a branch each."""
    spans = Spans()
    for tokens, path in lengths:
        root = spans.add("thread", "root", None, 0.0, 1.0, depth=0, tokens=tokens, path_tokens=path)
        spans.add("thread", "thread 1.1", root, 0.0, 1.0, depth=1, tokens=5)
    return spans


def test_the_self_speed_up_is_that_of_each_trace_against_itself() -> None:
    assert self_speed_up(threads((28, 26)).all) == pytest.approx(28 / 26)  # ThreadWeaver's example
    assert self_speed_up(threads((30, 10), (10, 10), (0, 0)).all) == 2.0
    assert self_speed_up(drawn(50).all) is None


def test_measures_are_told_of_what_can_fork_only() -> None:
    assert thread_measures(outcome(drawn(50, 50), 50)) == {}
    told = thread_measures(outcome(threads((28, 26), (10, 10)), 26))
    assert told == {"threads": 2.0, "self_speed_up": pytest.approx((28 / 26 + 1) / 2)}
    alone = Spans()
    alone.add("thread", "root", None, 0.0, 1.0, depth=0, tokens=5, path_tokens=5)
    assert thread_measures(outcome(alone, 5)) == {"threads": 0.0, "self_speed_up": 1.0}


@virtual_clock
async def test_instances_of_a_prompt_with_several_tasks_are_threads() -> None:
    async with Engine(FakeBackend("\\boxed{7}")) as engine:
        strategy = registry.create_strategy("parallel_prompts")
        split = await engine.solve("Solve each: 1. 3 + 4 2. 5 + 2", strategy=strategy)
        whole = await engine.solve("How much is 3 + 4?", strategy=strategy)
    assert thread_measures(split) == {"threads": 2.0, "parallelism": 2.0}
    assert thread_measures(whole) == {}
