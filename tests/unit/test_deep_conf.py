"""Online DeepConf: who is cut and when, what takes its place, who votes, and when it is enough."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ttscale import registry
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.errors import CapabilityError, ConfigError
from ttscale.testing import EVERYTHING, FakeBackend, Reply, virtual_clock
from ttscale.types import Outcome
from ttscale_strategies.voting.rules import online_stop

ABORT = "abort"


def trace(answer: str | None, *confidences: float) -> Reply:
    """Return a sample whose tokens have these confidences, where one token is looked at; text comes last."""
    text = "" if answer is None else f"#### {answer}"
    return Reply(text, num_tokens=len(confidences), top_logprobs=[{"x": -value} for value in confidences])


def steady(answer: str | None, confidence: float, length: int = 10) -> Reply:
    return trace(answer, *[confidence] * length)


async def ask(
    options: str, script: Sequence[Reply], *, budget: Budget | None = None, batch_size: int = 64
) -> tuple[Outcome, FakeBackend]:
    """Solve one question at 0.01 s a token, one token looked at, in groups of three."""
    backend = FakeBackend(list(script), seconds_per_token=0.01, batch_size=batch_size)
    spec = f"deep_conf:n={len(script)},window=3,top_logprobs=1,{options}"
    async with Engine(backend) as engine:
        outcome = await engine.solve("Q", strategy=registry.create_strategy(spec), budget=budget)
        assert backend.num_running == 0
    return outcome, backend


def ends(outcome: Outcome) -> list[tuple[str, int]]:
    """Return how each sample ended, and its tokens."""
    return [(candidate.finish_reason, candidate.num_tokens) for candidate in outcome.candidates]


def threshold(outcome: Outcome) -> float:
    """Return what the trace says the threshold was."""
    (solve,) = (span for span in outcome.trace if span["kind"] == "solve")
    attributes = solve["attributes"]
    assert isinstance(attributes, dict)
    value = attributes["threshold"]
    assert isinstance(value, float)
    return value


# ── the cut ───────────────────────────────────────────────────────────────────────────────────────────────

SURE = steady("1", 4), steady("2", 4)
"""A warm-up that disagrees, and whose threshold is 4."""


@virtual_clock
async def test_a_trace_is_cut_at_the_token_where_its_group_falls_below_the_warm_up() -> None:
    falling = [
        9,
        4,
        4,
        4,
        3,
        9,
        9,
        9,
        9,
        9,
        9,
        9,
    ]  # of the groups that end at 3, 4, 5 tokens the third is unsure
    outcome, backend = await ask("num_warmup=2", [*SURE, trace("3", *falling)])
    assert online_stop(falling, 4.0, window=3) == 5
    assert ends(outcome) == [("stop", 10), ("stop", 10), (ABORT, 5)]
    assert backend.records[2].usage.generated == 5
    assert (outcome.usage.generated, outcome.usage.cancelled) == (20, 5)
    assert outcome.candidates[2].score == pytest.approx(11 / 3)
    assert outcome.candidates[2].key is None


@virtual_clock
async def test_every_trace_is_cut_where_the_rule_cuts_the_whole_trace() -> None:
    draw = random.Random(5)
    traces = [[draw.uniform(0, 8) for _ in range(draw.randint(1, 30))] for _ in range(40)]
    script = [steady(None, 2.5), steady(None, 2.5), *(trace(None, *values) for values in traces)]
    outcome, backend = await ask("num_warmup=2,width=7", script)
    cuts = [online_stop(values, 2.5, window=3) for values in traces]
    assert 5 < sum(cut is not None for cut in cuts) < 35
    lengths = [len(values) if cut is None else cut for values, cut in zip(traces, cuts, strict=True)]
    assert [number for _, number in ends(outcome)[2:]] == lengths
    assert [reason == ABORT for reason, _ in ends(outcome)[2:]] == [cut is not None for cut in cuts]
    assert outcome.usage.generated + outcome.usage.cancelled == backend.engine_tokens == 20 + sum(lengths)
    assert backend.peak_running == 7


@virtual_clock
async def test_a_trace_shorter_than_the_window_is_never_cut() -> None:
    outcome, _ = await ask("num_warmup=2,window=100", [*SURE, steady("3", 0.1, length=50)])
    assert ends(outcome)[2] == ("stop", 50)


@pytest.mark.parametrize(("keep", "expected"), [(0.1, 8.6), (0.9, 5.4)])
@virtual_clock
async def test_the_threshold_is_what_the_surest_share_of_the_warm_up_kept_to(
    keep: float, expected: float
) -> None:
    script = [steady(str(value), value) for value in (5, 6, 7, 8, 9)]
    outcome, _ = await ask(f"num_warmup=5,keep={keep}", [*script, steady("5", expected), steady("5", 0.1)])
    assert threshold(outcome) == pytest.approx(expected)
    assert ends(outcome)[-2:] == [("stop", 10), (ABORT, 3)]


# ── what takes its place ──────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_freed_slot_is_filled_at_once_and_nobody_waits_for_others() -> None:
    long, cut = steady("3", 4, length=100), steady("4", 1, length=100)
    outcome, backend = await ask("num_warmup=2,width=2,consensus=null", [*SURE, long, cut, cut, cut, long])
    warm_up_ended = backend.records[1].ended
    assert warm_up_ended == pytest.approx(0.1)
    begun = [record.started for record in backend.records[2:]]
    assert begun == pytest.approx([0.1, 0.1, 0.13, 0.16, 0.19])
    assert backend.peak_running == 2
    assert outcome.seconds == pytest.approx(1.19)
    assert outcome.usage.cancelled == 9  # of 300 tokens
    assert [len(request.seeds) for request in backend.requests[1:]].count(2) <= 1


@virtual_clock
async def test_the_warm_up_is_as_wide_as_the_rest() -> None:
    _, backend = await ask("num_warmup=6,width=2", [steady(str(number), 4) for number in range(6)])
    assert backend.peak_running == 2


@virtual_clock
async def test_a_narrow_engine_cuts_the_same_tokens() -> None:
    script = [*SURE, steady("3", 4), steady("4", 1), steady("5", 1), steady("3", 4)]
    wide, _ = await ask("num_warmup=2,width=4", script)
    narrow, _ = await ask("num_warmup=2,width=4", script, batch_size=1)
    assert ends(wide) == ends(narrow)
    assert wide.answer == narrow.answer


# ── who votes ─────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_traces_that_kept_to_the_threshold_vote_by_their_lowest_confidence() -> None:
    # keep=0.5 of 2, 4: the threshold is 3
    script = [steady("1", 4), steady("2", 2), trace("1", *[9] * 7, 3, 3, 3), steady("2", 5), steady("2", 3)]
    outcome, _ = await ask("num_warmup=2,keep=0.5,consensus=null", script)
    assert [candidate.score for candidate in outcome.candidates] == pytest.approx([4, 2, 3, 5, 3])
    assert outcome.answer == "2"
    assert outcome.confidence == pytest.approx(8 / 15)  # 5 + 3 against 4 + 3: the second sample is unsure


@virtual_clock
async def test_surer_traces_after_the_warm_up_do_not_raise_the_bar() -> None:
    script = [*[steady("1", 4)] * 3, steady("2", 9)]
    outcome, _ = await ask("num_warmup=2,keep=0.1,consensus=null", script)
    assert outcome.answer == "1"
    assert outcome.confidence == pytest.approx(12 / 21)


@virtual_clock
async def test_a_trace_that_had_answered_before_it_was_cut_does_not_vote() -> None:
    early = Reply("#### 7" + "." * 30, top_logprobs=[{"x": -9.0}] * 8 + [{"x": -1.0}] * 28)
    outcome, _ = await ask("num_warmup=2,consensus=null", [steady(None, 4), steady(None, 4), early])
    assert (outcome.answer, outcome.stop_reason) == (None, "finished")
    assert ends(outcome)[2][0] == ABORT
    # nor where no trace that kept to the threshold has an answer, so that the unsure ones vote too
    shorter = steady("8", 1, length=6)
    outcome, _ = await ask("num_warmup=2,window=8", [steady(None, 4), steady(None, 4), early, shorter])
    assert (outcome.answer, outcome.confidence) == ("8", 1.0)


@virtual_clock
async def test_a_trace_that_falls_with_its_very_last_token_is_cut_all_the_same() -> None:
    falling = [9] * 9 + [1, 1]
    assert online_stop(falling, 4, window=3) == 11
    ending = trace("3", *falling)
    outcome, backend = await ask("num_warmup=2", [steady(None, 4), steady(None, 4), ending])
    assert backend.records[2].finish_reason == "stop"
    assert ends(outcome)[2] == (ABORT, 11)
    assert outcome.answer is None
    assert outcome.usage.cancelled == 0  # its engine had finished it


@virtual_clock
async def test_traces_without_logprobs_are_never_cut_and_weigh_nothing() -> None:
    unknown = replace(steady("7", 4), top_logprobs=[{}] * 10)
    outcome, _ = await ask("num_warmup=2,consensus=null", [*SURE, unknown, unknown, unknown, steady("2", 5)])
    assert ends(outcome)[2:5] == [("stop", 10)] * 3
    assert outcome.answer == "2"
    assert outcome.confidence == pytest.approx(9 / 13)
    nothing, _ = await ask(
        "num_warmup=2,consensus=null", [unknown, unknown, steady("2", 0.1), *[steady("2", 9)] * 2]
    )
    assert ends(nothing) == [("stop", 10)] * 5
    assert nothing.answer == "2"


@virtual_clock
async def test_of_a_warm_up_in_which_some_fail_the_others_set_the_threshold() -> None:
    failing = replace(steady("1", 9), error="lost", fail_after=4)
    outcome, _ = await ask(
        "num_warmup=2,consensus=null", [failing, steady("2", 3), steady("2", 3), steady("1", 2)]
    )
    assert threshold(outcome) == 3.0
    assert ends(outcome) == [("error", 4), ("stop", 10), ("stop", 10), (ABORT, 3)]
    assert (outcome.answer, outcome.confidence) == ("2", 1.0)


# ── consensus ─────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_warm_up_that_agrees_is_enough() -> None:
    outcome, backend = await ask("num_warmup=3,width=3", [steady("5", 4)] * 8)
    assert (outcome.answer, outcome.stop_reason, outcome.confidence) == ("5", "decided", 1.0)
    assert len(backend.records) == outcome.usage.calls == 3


@virtual_clock
async def test_one_voter_alone_is_no_consensus() -> None:
    script = [steady("1", 4), steady("1", 3), steady("2", 4), steady("2", 4)]
    outcome, _ = await ask("num_warmup=2,keep=0,width=1", script)
    assert (outcome.answer, outcome.usage.calls) == ("2", 4)


@virtual_clock
async def test_consensus_stops_what_still_runs_and_begins_nothing_more() -> None:
    script = [*SURE, steady("1", 4), steady("1", 4, length=20), *[steady("9", 4, length=90)] * 4]
    outcome, backend = await ask("num_warmup=2,width=3,consensus=0.75", script)
    # 1, 2, 1, 1: three quarters agree when the fourth ends, 0.3 s from the start
    assert (outcome.answer, outcome.stop_reason) == ("1", "decided")
    assert outcome.confidence == pytest.approx(0.75)
    assert outcome.seconds == pytest.approx(0.3)
    assert outcome.usage.calls == len(backend.records) == 6
    assert outcome.usage.cancelled == 20 + 10
    assert [candidate.index for candidate in outcome.candidates] == [0, 1, 2, 3]


LATE = [*SURE, steady("9", 4, length=90), *[steady("1", 4, length=20)] * 4]


@virtual_clock
async def test_by_index_a_long_trace_is_waited_for_and_by_arrival_the_short_ones_decide() -> None:
    by_arrival, _ = await ask("num_warmup=2,width=5,consensus=0.75,decide_by=arrival", LATE)
    assert (by_arrival.answer, by_arrival.stop_reason) == ("1", "decided")
    assert by_arrival.seconds == pytest.approx(0.3)
    by_index, _ = await ask("num_warmup=2,width=5,consensus=0.75", LATE)
    assert by_index.seconds == pytest.approx(1.0)
    assert (by_index.answer, by_index.stop_reason) == ("1", "finished")
    assert by_index.confidence == pytest.approx(5 / 7)


@virtual_clock
async def test_by_index_the_first_traces_that_agree_vote_whatever_came_after_them() -> None:
    # 1, 2, 1, 1 agree by three quarters; when the third ends at last, the fifth and sixth have long been there
    script = [
        *SURE,
        steady("1", 4, length=50),
        *[steady("1", 4)],
        steady("2", 4),
        steady("2", 4),
        steady("2", 4),
    ]
    quick_others, _ = await ask("num_warmup=2,width=4,consensus=0.75", script)
    one_by_one, _ = await ask("num_warmup=2,width=1,consensus=0.75", script)
    assert quick_others.answer == one_by_one.answer == "1"
    assert quick_others.confidence == one_by_one.confidence == pytest.approx(0.75)
    assert len(quick_others.candidates) > len(one_by_one.candidates) == 4


# ── limits ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("samples", "answer"), [(1, "1"), (2, "1"), (3, "2"), (4, "2")])
@virtual_clock
async def test_a_budget_ends_it_in_the_warm_up_or_after(samples: int, answer: str) -> None:
    script = [steady("1", 4), steady("2", 4), steady("2", 4), steady("1", 1), steady("1", 4)]
    outcome, _ = await ask("num_warmup=2,width=2,consensus=null", script, budget=Budget(samples=samples))
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == (answer, "budget", samples)


@virtual_clock
async def test_a_warm_up_of_more_than_n_is_one_of_n() -> None:
    outcome, _ = await ask("num_warmup=8", [steady("1", 4), steady("2", 4), steady("1", 4)])
    assert (outcome.answer, outcome.stop_reason) == ("1", "finished")
    assert outcome.confidence == pytest.approx(2 / 3)


@virtual_clock
async def test_an_engine_that_does_not_stream_is_refused() -> None:
    async with Engine(FakeBackend("", capabilities=replace(EVERYTHING, stream=False))) as engine:
        with pytest.raises(CapabilityError, match="DeepConf needs stream"):
            await engine.solve("Q", strategy=registry.create_strategy("deep_conf"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("num_warmup=0", "num_warmup must be >= 1"),
        ("window=0", "window must be >= 1"),
        ("width=0", "width must be >= 1"),
        ("top_logprobs=0", "top_logprobs must be >= 1"),
        ("keep=1.5", r"keep must lie in \[0, 1\]"),
        ("consensus=2", r"threshold must lie in \[0, 1\]"),
        ("decide_by=luck", "decide_by='luck' is wrong"),
    ],
)
def test_options_out_of_range_are_named(options: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        registry.create_strategy(f"deep_conf:{options}")
