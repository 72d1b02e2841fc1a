"""What the strategies of the voting family answer, draw and stop; the contract is tested elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ttscale import registry
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.errors import ConfigError
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.types import Outcome


def answers(*given: tuple[str | None, int]) -> list[Reply]:
    """Return replies, each with an answer (None: it gives none) and a length in tokens."""
    texts = ["" if answer is None else f"\\boxed{{{answer}}}" for answer, _ in given]
    return [Reply(text, num_tokens=length) for text, (_, length) in zip(texts, given, strict=True)]


async def ask(spec: str, script: Sequence[Reply], budget: Budget | None = None) -> tuple[Outcome, FakeBackend]:
    """Solve one question at 0.01 s a token."""
    backend = FakeBackend(list(script), seconds_per_token=0.01)
    async with Engine(backend) as engine:
        outcome = await engine.solve("Q", strategy=registry.create_strategy(spec), budget=budget)
        assert backend.num_running == 0
    return outcome, backend


def drawn(outcome: Outcome) -> list[int]:
    """Return the indices of the samples that were drawn to their end."""
    return [candidate.index for candidate in outcome.candidates if candidate.finish_reason != "abort"]


# ── Adaptive-Consistency ──────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_adaptive_consistency_draws_one_after_another_and_stops_at_four_that_agree() -> None:
    outcome, backend = await ask("adaptive_consistency:n=9", answers(*[("5", 10)] * 9))
    # Pr[Bin(4, 1/2) <= 3] = 0.9375 is not enough, Pr[Bin(5, 1/2) <= 4] = 0.969 is
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("5", "decided", 4)
    assert len(backend.requests) == 4
    assert outcome.seconds == pytest.approx(0.4)
    assert outcome.critical_path_tokens == 40
    assert outcome.usage.cancelled == 0


@virtual_clock
async def test_a_wider_window_is_quicker_and_draws_in_vain() -> None:
    outcome, _ = await ask("adaptive_consistency:n=9,window=4", answers(*[("5", 10)] * 9))
    assert (outcome.answer, outcome.usage.calls) == ("5", 4)
    assert outcome.seconds == pytest.approx(0.1)
    lengths = answers(("5", 10), ("5", 20), ("5", 30), ("5", 40), *[("5", 100)] * 5)
    outcome, _ = await ask("adaptive_consistency:n=9,window=4", lengths)
    assert outcome.usage.calls == 7  # three were begun in place of the three that ended first
    assert outcome.usage.generated == 100
    assert 0 < outcome.usage.cancelled < 90
    assert outcome.seconds == pytest.approx(0.4)


SHORT_ONES_AGREE = answers(
    ("1", 90), ("7", 10), ("7", 10), ("7", 10), ("7", 10), ("1", 90), ("1", 90), ("1", 90)
)


@virtual_clock
async def test_by_arrival_the_short_answers_win_and_by_index_the_first_ones_count() -> None:
    by_arrival, _ = await ask("adaptive_consistency:n=8,window=8,decide_by=arrival", SHORT_ONES_AGREE)
    assert by_arrival.answer == "7"
    assert by_arrival.seconds == pytest.approx(0.1)
    by_index, _ = await ask("adaptive_consistency:n=8,window=8", SHORT_ONES_AGREE)
    assert by_index.seconds >= 0.9
    one_by_one, _ = await ask("adaptive_consistency:n=8", SHORT_ONES_AGREE)
    assert one_by_one.answer == by_index.answer


@virtual_clock
async def test_an_open_vote_takes_all_samples_and_is_a_majority() -> None:
    script = answers(("1", 9), ("2", 9), ("1", 9), ("2", 9), ("1", 9))
    outcome, _ = await ask("adaptive_consistency:n=5", script)
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("1", "finished", 5)
    assert outcome.confidence == pytest.approx(0.6)


# ── ESC ───────────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_esc_stops_at_the_first_unanimous_window_and_answers_with_it() -> None:
    script = answers(
        ("1", 9), ("1", 9), ("2", 9), ("3", 10), ("3", 10), ("3", 20), ("1", 9), ("1", 9), ("1", 9)
    )
    outcome, _ = await ask("esc:n=9,window=3", script)
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("3", "decided", 6)
    assert outcome.confidence == 1.0
    assert outcome.seconds == pytest.approx(0.09 + 0.2)


@virtual_clock
async def test_esc_takes_silence_for_disagreement() -> None:
    script = answers(("1", 9), (None, 9), ("2", 9), ("2", 9), ("2", 9), ("1", 9), ("2", 9))
    outcome, _ = await ask("esc:n=7,window=2", script)
    assert (outcome.usage.calls, outcome.answer, outcome.stop_reason) == (4, "2", "decided")
    outcome, _ = await ask("esc:n=7,window=3", script)  # the last window is not full
    assert (outcome.usage.calls, outcome.answer, outcome.stop_reason) == (7, "2", "finished")
    assert outcome.confidence == pytest.approx(4 / 6)


@virtual_clock
async def test_esc_cut_short_by_its_budget_votes_over_what_it_has() -> None:
    script = answers(("1", 9), ("2", 9), ("2", 9), ("2", 9), ("1", 9), ("1", 9))
    outcome, _ = await ask("esc:n=6,window=2", script, Budget(samples=3))
    assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == ("2", "budget", 3)


# ── the order in which samples end ────────────────────────────────────────────────────────────────────────

RACE = answers(("1", 50), (None, 5), ("2", 10), ("1", 20), ("2", 30), ("1", 90))


@virtual_clock
async def test_the_first_to_answer_wins_and_the_rest_is_cut_short_and_charged() -> None:
    outcome, _ = await ask("first_finish:n=6,k=1", RACE)
    assert (outcome.answer, outcome.stop_reason) == ("2", "decided")
    assert outcome.seconds == pytest.approx(0.1)
    assert outcome.usage.generated + outcome.usage.cancelled == 5 + 5 * 10
    assert outcome.critical_path_tokens == 10


@virtual_clock
async def test_the_first_three_to_answer_vote() -> None:
    outcome, _ = await ask("first_finish:n=6,k=3", RACE)
    assert outcome.answer == "2"
    assert outcome.seconds == pytest.approx(0.3)
    assert outcome.confidence == pytest.approx(2 / 3)
    assert drawn(outcome) == [1, 2, 3, 4]


@virtual_clock
async def test_those_that_end_together_all_vote() -> None:
    script = answers(("1", 50), ("2", 10), ("3", 10), ("3", 10))
    outcome, _ = await ask("first_finish:n=4,k=1", script)
    assert (outcome.answer, drawn(outcome)) == ("3", [1, 2, 3])


@virtual_clock
async def test_the_last_to_answer_wins_and_nothing_is_saved() -> None:
    outcome, _ = await ask("last_finish:n=6,k=1", RACE)
    assert (outcome.answer, outcome.stop_reason) == ("1", "finished")
    assert outcome.usage.cancelled == 0
    assert outcome.usage.generated == 50 + 5 + 10 + 20 + 30 + 90


@virtual_clock
async def test_fewer_answers_than_voters_wanted_all_vote() -> None:
    outcome, _ = await ask("first_finish:n=4,k=4", answers(("1", 9), (None, 9), ("2", 10), ("1", 12)))
    assert (outcome.answer, outcome.stop_reason) == ("1", "finished")


# ── lengths, and the options of self-consistency ──────────────────────────────────────────────────────────

LONG_MAJORITY = answers(("1", 4000), ("1", 4000), ("2", 10))


@virtual_clock
@pytest.mark.parametrize(("law", "winner"), [("ln", "2"), ("sqrt", "2"), ("linear", "2")])
async def test_a_long_majority_can_lose_to_a_short_answer(law: str, winner: str) -> None:
    # ln: 2 / ln 4000 = 0.241, 1 / ln 10 = 0.434
    outcome, _ = await ask(f"shortest_majority:n=3,law={law}", LONG_MAJORITY)
    assert outcome.answer == winner


@virtual_clock
async def test_self_consistency_takes_its_rule_and_its_stop_as_parameters() -> None:
    plain, _ = await ask("self_consistency:n=3,rule=majority", LONG_MAJORITY)
    short, _ = await ask("self_consistency:n=3,rule=shortest", LONG_MAJORITY)
    assert (plain.answer, short.answer) == ("1", "2")
    all_drawn, _ = await ask("self_consistency:n=8,stop=never", answers(*[("5", 10)] * 8))
    assert (all_drawn.usage.calls, all_drawn.stop_reason) == (8, "finished")
    script = answers(*[("5", 10)] * 4, *[("5", 99)] * 4)
    early, _ = await ask("self_consistency:n=8,stop=consistent", script)
    assert early.stop_reason == "decided"
    assert early.seconds == pytest.approx(0.1)
    bound, _ = await ask("self_consistency:n=8", script)  # at worst a tie, which goes to the first
    assert bound.stop_reason == "decided"
    assert bound.seconds == pytest.approx(0.1)


@virtual_clock
@pytest.mark.parametrize(
    "spec",
    [
        "adaptive_consistency:n=6",
        "esc:n=6,window=2",
        "first_finish:n=6,k=2",
        "last_finish:n=6",
        "shortest_majority",
    ],
)
async def test_without_any_answer_there_is_a_clear_none(spec: str) -> None:
    outcome, _ = await ask(spec, answers((None, 9)))
    assert (outcome.answer, outcome.confidence, outcome.stop_reason) == (None, None, "finished")


@virtual_clock
@pytest.mark.parametrize(
    "spec",
    ["self_consistency", "adaptive_consistency", "esc", "first_finish", "last_finish", "shortest_majority"],
)
async def test_plain_votes_never_ask_for_logprobs(spec: str) -> None:
    _, backend = await ask(spec, answers(("5", 9)))
    assert {request.sampling.logprobs for request in backend.requests} == {None}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("self_consistency:n=0", "n must be >= 1, got 0"),
        ("self_consistency:rule=loudest", "rule"),
        ("adaptive_consistency:window=0", "window must be >= 1"),
        ("adaptive_consistency:threshold=1.5", "threshold"),
        ("adaptive_consistency:criterion=coin", "criterion"),
        ("esc:window=0", "window must be >= 1"),
        ("first_finish:n=4,k=5", "k must be 1 to n = 4, got 5"),
        ("last_finish:k=0", "k must be 1 to n"),
        ("shortest_majority:law=cubic", "law"),
    ],
)
def test_options_out_of_range_are_named(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        registry.create_strategy(spec)


@virtual_clock
@pytest.mark.parametrize("first", [9, 60])
@pytest.mark.parametrize(
    "spec",
    ["adaptive_consistency:n=6,window=4,criterion=share", "adaptive_consistency:n=6,window=6,criterion=share"],
)
async def test_the_first_samples_that_agree_vote_however_many_ended_with_them(spec: str, first: int) -> None:
    script = answers(("1", first), ("1", 9), ("2", 9), ("2", 9), ("2", 9), ("2", 9))
    outcome, _ = await ask(spec, script)
    assert (outcome.answer, outcome.confidence) == ("1", 1.0)
