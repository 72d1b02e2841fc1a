"""Votes that read log-probabilities: inverse entropy, self-certainty, DeepConf's confidences offline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ttscale import registry
from ttscale.backends.base import Capabilities
from ttscale.engine import Engine
from ttscale.errors import CapabilityError, ConfigError
from ttscale.run import Run
from ttscale.testing import EVERYTHING, FakeBackend, FunctionStrategy, Reply, virtual_clock
from ttscale.types import Outcome, Problem, Sample, Sampling
from ttscale_strategies.voting.poll import Ballot, Poll

SPECS = ("inverse_entropy_vote", "confidence_vote")


def reply(answer: str | None, *rows: Sequence[float]) -> Reply:
    """Return a sample whose tokens have these probabilities; the last row holds for all further tokens."""
    text = "no idea" if answer is None else f"#### {answer}"
    columns = [dict(zip("xyzw", map(math.log, row), strict=False)) for row in rows]
    columns += [columns[-1]] * (len(text) - len(columns))
    return Reply(text, num_tokens=len(columns), top_logprobs=columns)


def trace(answer: str, *confidences: float) -> Reply:
    """Return a sample whose tokens have these confidences, if one token is looked at; the last one holds on."""
    return reply(answer, *([math.exp(-confidence)] for confidence in confidences))


def unknown(answer: str) -> Reply:
    """Return a sample without log-probabilities."""
    return Reply(f"#### {answer}", top_logprobs=[{}] * len(f"#### {answer}"))


async def ask(
    spec: str, script: Sequence[Reply], *, capabilities: Capabilities = EVERYTHING
) -> tuple[Outcome, FakeBackend]:
    backend = FakeBackend(list(script), capabilities=capabilities)
    async with Engine(backend) as engine:
        outcome = await engine.solve("Q", strategy=registry.create_strategy(spec))
    return outcome, backend


def scores(outcome: Outcome) -> list[float | None]:
    return [candidate.score for candidate in outcome.candidates]


# ── inverse entropy ───────────────────────────────────────────────────────────────────────────────────────

FAIR, SKEWED = (0.5, 0.5), (0.9, 0.1)


@virtual_clock
async def test_one_sample_that_hesitates_less_outvotes_two() -> None:
    outcome, backend = await ask(
        "inverse_entropy_vote:n=3,top_logprobs=2", [reply("A", FAIR), reply("A", FAIR), reply("B", SKEWED)]
    )
    assert (outcome.answer, outcome.stop_reason) == ("B", "finished")
    assert outcome.confidence == pytest.approx(2.132216 / 4.132216)
    assert scores(outcome) == pytest.approx([1.0, 1.0, 0.4689956])
    assert {request.sampling.logprobs for request in backend.requests} == {2}


@virtual_clock
async def test_an_entropy_is_the_mean_over_the_tokens() -> None:
    outcome, _ = await ask("inverse_entropy_vote:n=1,top_logprobs=2", [reply("7", *[FAIR] * 3, *[SKEWED] * 3)])
    assert scores(outcome) == pytest.approx([0.7344978])


@pytest.mark.parametrize(("renormalise", "bits"), [("true", 1.0), ("false", 0.75)])
@virtual_clock
async def test_probabilities_are_made_to_sum_to_1_unless_told_otherwise(renormalise: str, bits: float) -> None:
    outcome, _ = await ask(f"inverse_entropy_vote:n=1,renormalise={renormalise}", [reply("7", (0.125, 0.125))])
    assert scores(outcome) == pytest.approx([bits])


@virtual_clock
async def test_the_papers_floor_lets_a_sample_without_entropy_win_alone() -> None:
    nearly = (0.9999, 0.0001)  # 0.00147 bits, a weight of 679
    script = [reply("A", nearly), reply("A", nearly), reply("B", (1.0,))]
    ours, _ = await ask("inverse_entropy_vote:n=3", script)
    assert ours.answer == "A"  # twice 679 against 1000
    papers, _ = await ask("inverse_entropy_vote:n=3,min_entropy=1e-10", script)
    assert papers.answer == "B"


@virtual_clock
async def test_one_unknown_entropy_makes_it_a_plain_majority_unless_that_sample_has_no_vote() -> None:
    voters = [reply("A", FAIR), reply("A", FAIR), reply("B", SKEWED)]
    majority, _ = await ask("inverse_entropy_vote:n=4", [*voters, unknown("C")])
    assert (majority.answer, majority.confidence) == ("A", 0.5)
    weighted, _ = await ask("inverse_entropy_vote:n=4", [*voters, replace(unknown("C"), error="lost")])
    assert weighted.answer == "B"


# ── confidence ────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_ranks_carry_votes_and_a_great_power_lets_the_surest_win() -> None:
    script = [trace("A", 9), trace("B", 7), trace("B", 6), trace("C", 5)]
    vote = "confidence_vote:n=4,measure=mean,top_logprobs=1"
    by_rank, _ = await ask(vote, script)
    assert by_rank.answer == "B"
    assert by_rank.confidence == pytest.approx(3.146264 / (2 + 3.146264 + 1))
    assert scores(by_rank) == pytest.approx([9, 7, 6, 5])
    surest, _ = await ask(f"{vote},power=2", script)
    assert surest.answer == "A"
    assert surest.confidence == pytest.approx(16 / 30)


@virtual_clock
async def test_self_certainty_is_exact_where_the_whole_vocabulary_is_listed() -> None:
    script = [reply("A", (0.25,) * 4), reply("B", (0.7, 0.1, 0.1, 0.1)), reply("C", (0.97, 0.01, 0.01, 0.01))]
    outcome, _ = await ask("confidence_vote:n=3,top_logprobs=4,vocabulary_size=4", script)
    assert scores(outcome) == pytest.approx([0, 0.429813, 2.075198], abs=1e-6)
    assert outcome.answer == "C"


@virtual_clock
async def test_the_size_of_a_large_vocabulary_hardly_matters() -> None:
    script = [reply("A", (0.6, 0.2, 0.1)), reply("B", (0.9, 0.05))]
    default, _ = await ask("confidence_vote:n=2,top_logprobs=3", script)
    known, _ = await ask("confidence_vote:n=2,top_logprobs=3,vocabulary_size=151936", script)
    for one, other in zip(scores(default), scores(known), strict=True):
        assert one == pytest.approx(other, rel=1e-3)
    assert default.answer == known.answer == "B"


@virtual_clock
async def test_the_surest_share_alone_turns_the_vote() -> None:
    script = [trace("A", 17), trace("A", 16), trace("B", 15), trace("B", 12), trace("B", 11)]
    vote = "confidence_vote:n=5,measure=tail,top_logprobs=1"
    everybody, _ = await ask(f"{vote},vote=weighted", script)
    assert everybody.answer == "B"
    assert everybody.confidence == pytest.approx(38 / 71)
    filtered, _ = await ask(f"{vote},vote=filtered,keep=0.4", script)
    assert (filtered.answer, filtered.confidence) == ("A", 1.0)


@pytest.mark.parametrize(
    ("measure", "score"), [("mean", 3.375), ("tail", 5.0), ("lowest", 4 / 3), ("bottom", 4 / 3)]
)
@virtual_clock
async def test_each_measure_looks_at_its_part_of_a_sample(measure: str, score: float) -> None:
    script = [trace("A", 4, 4, 2, 1, 1, 5, 5, 5)]
    outcome, _ = await ask(f"confidence_vote:n=1,measure={measure},window=3,tail=3,top_logprobs=1", script)
    assert scores(outcome) == pytest.approx([score])


@virtual_clock
async def test_samples_without_logprobs_rank_last_and_weigh_nothing() -> None:
    script = [unknown("A"), unknown("A"), unknown("A"), trace("B", 2)]
    vote = "confidence_vote:n=4,measure=mean,top_logprobs=1"
    ranked, _ = await ask(f"{vote},power=3", script)
    assert ranked.answer == "B"  # 4³ against 3³ + 2³ + 1³
    weighted, _ = await ask(f"{vote},vote=weighted", script)
    assert (weighted.answer, weighted.confidence) == ("B", 1.0)
    assert scores(weighted) == [None, None, None, pytest.approx(2)]


@pytest.mark.parametrize("vote", ["borda,power=0", "weighted", "filtered"])
@virtual_clock
async def test_without_any_logprobs_it_is_a_plain_majority(vote: str) -> None:
    script = [unknown("A"), unknown("B"), unknown("B")]
    outcome, _ = await ask(f"confidence_vote:n=3,vote={vote}", script)
    assert outcome.answer == "B"
    assert outcome.confidence == pytest.approx(2 / 3)


# ── both ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("spec", SPECS)
@virtual_clock
async def test_ties_go_to_the_first_sample_and_no_answer_is_none(spec: str) -> None:
    power = ",power=0" if spec == "confidence_vote" else ""
    tie, _ = await ask(f"{spec}:n=2{power}", [reply("B", FAIR), reply("A", FAIR)])
    assert (tie.answer, tie.confidence) == ("B", 0.5)
    nothing, _ = await ask(f"{spec}:n=2", [reply(None, FAIR), reply(None, SKEWED)])
    assert (nothing.answer, nothing.stop_reason, nothing.error) == (None, "finished", None)


@pytest.mark.parametrize("spec", [*SPECS, "deep_conf"])
@virtual_clock
async def test_a_model_that_gives_too_few_logprobs_is_refused_before_it_is_asked(spec: str) -> None:
    few = FakeBackend("#### 1", capabilities=replace(EVERYTHING, max_top_logprobs=5))
    async with Engine(few) as engine:
        with pytest.raises(CapabilityError, match=r"at most 5 tokens .* set top_logprobs=5"):
            await engine.solve("Q", strategy=registry.create_strategy(spec))
        assert few.requests == []
        fewer = registry.create_strategy(f"{spec}:top_logprobs=5")
        assert (await engine.solve("Q", strategy=fewer)).answer == "1"
    async with Engine(FakeBackend("", capabilities=replace(EVERYTHING, max_top_logprobs=0))) as engine:
        with pytest.raises(CapabilityError, match="needs max_top_logprobs"):
            engine.check(registry.create_strategy(spec))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("inverse_entropy_vote:top_logprobs=0", "top_logprobs must be >= 1"),
        ("inverse_entropy_vote:min_entropy=0", "min_entropy must be above 0"),
        ("confidence_vote:top_logprobs=0", "top_logprobs must be >= 1"),
        ("confidence_vote:vocabulary_size=8", "vocabulary_size must be >= top_logprobs = 20, got 8"),
        ("confidence_vote:power=-1", "power must be >= 0"),
        ("confidence_vote:keep=2", r"keep must lie in \[0, 1\]"),
        ("confidence_vote:window=0", "window must be >= 1"),
        ("confidence_vote:tail=0", "tail must be >= 1"),
        ("confidence_vote:bottom=1.5", r"bottom must lie in \[0, 1\]"),
        ("confidence_vote:vote=loudest", "vote='loudest' is wrong"),
    ],
)
def test_options_out_of_range_are_named(spec: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        registry.create_strategy(spec)


@virtual_clock
async def test_a_poll_measures_once_and_keeps_no_logprobs() -> None:
    measured = list[int]()
    ballots: tuple[Ballot, ...] = ()

    def measure(sample: Sample) -> float:
        assert sample.logprobs is not None
        assert sample.top_logprobs is not None
        measured.append(sample.index)
        return float(len(sample.top_logprobs))

    async def body(run: Run) -> str:
        nonlocal ballots
        poll = Poll(run, measure=measure)
        async with run.sample("Q", n=3, sampling=Sampling(logprobs=2)) as samples:
            await poll.hear(samples)
        ballots = poll.ballots
        return poll.outcome().answer or ""

    async with Engine(FakeBackend(["#### 1", "#### 12", "#### 1"])) as engine:
        outcome = await engine.solve(Problem.ask("Q"), strategy=FunctionStrategy(body=body))
    assert outcome.answer == "1"
    assert sorted(measured) == [0, 1, 2]
    assert [ballot.measured for ballot in ballots] == [6, 7, 6]
    assert all(b.sample.logprobs is None and b.sample.top_logprobs is None for b in ballots)
