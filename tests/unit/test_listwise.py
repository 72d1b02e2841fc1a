"""The list-wise choice: what the judge is shown, what it says, and what becomes of nonsense."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.contests import answers_shown, contest, first_place, in_json, noted, solutions
from ttscale import registry
from ttscale.budget import Budget
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.testing.fake import TOY
from ttscale.types import Prompt


@virtual_clock
@pytest.mark.parametrize("best", range(4))
async def test_the_candidate_that_the_judge_names_wins(best: int) -> None:
    answers = [3, 5, 5, 4]
    answers[best] = 9
    outcome, judge = await contest("listwise", solutions(*answers), in_json())
    assert (outcome.answer, outcome.stop_reason, outcome.confidence) == ("9", "finished", 1 / 4)
    assert len(judge.records) == 1
    assert noted(outcome, "index") == [best]
    assert noted(outcome, "analysis") == ["so"]


@virtual_clock
@pytest.mark.parametrize(
    ("says", "answer"), [('{"index": 2}', "2"), ('{"index": 4}', "4"), ('{"index": "3"}', "3")]
)
async def test_solutions_are_numbered_from_one(says: str, answer: str) -> None:
    outcome, _ = await contest("listwise", solutions(1, 2, 3, 4), says)
    assert outcome.answer == answer


@virtual_clock
@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ('{"index": 9}', "the judge's index 9 names no candidate from 1 to 4"),
        ('{"index": 0}', "the judge's index 0 names no candidate from 1 to 4"),
        ("The second.", "the judge gave no JSON object with an index"),
        ("{" * 5000, "the judge gave no JSON object with an index"),
        ("", "the judge gave no JSON object with an index"),
        (Reply('{"index": 2}', error="it broke"), "it broke"),
    ],
)
async def test_where_the_judge_names_nobody_the_first_wins_and_the_trace_says_why(
    says: Reply | str, reason: str
) -> None:
    outcome, _ = await contest("listwise", solutions(1, 2, 3, 3), says)
    assert (outcome.answer, outcome.stop_reason) == ("1", "finished")
    assert noted(outcome, "reason") == [reason]


@virtual_clock
async def test_where_all_answers_agree_or_one_only_is_there_nobody_is_asked() -> None:
    for answers in ((7, 7, 7, 7), (None, 7, None, None), (7, "7.0", None, 7)):
        outcome, judge = await contest("listwise", solutions(*answers), in_json())
        assert (outcome.answer, outcome.confidence, judge.records) == ("7", 1.0, [])
    outcome, judge = await contest("listwise", solutions(None), in_json())
    assert (outcome.answer, judge.records) == (None, [])


@virtual_clock
async def test_those_without_an_answer_are_not_shown() -> None:
    failed = Reply("So \\boxed{8}.", error="scripted failure")
    candidates = [*solutions(1, None), failed, *solutions(4)]
    outcome, judge = await contest("listwise", candidates, '{"index": 2}')
    assert outcome.answer == "4"
    assert answers_shown(Prompt.user(judge.decode(judge.requests[0].prompt.token_ids or ()))) == [1, 4]


@virtual_clock
async def test_in_several_orders_a_judge_that_prefers_a_place_prefers_nobody() -> None:
    places = list[list[int]]()

    def first(prompt: Prompt, seed: int, ordinal: int) -> str:
        places.append(answers_shown(prompt))
        return f'{{"index": {first_place([]) + 1}}}'

    outcome, judge = await contest("listwise:num_orders=4", solutions(1, 2, 2, 3), first)
    assert places == [[1, 2, 2, 3], [1, 3, 2, 2], [2, 3, 1, 2], [2, 2, 1, 3]]
    assert len(judge.records) == 4
    assert outcome.answer == "2"  # two picks each: more candidates have it


@virtual_clock
async def test_judgements_that_can_change_nothing_are_aborted() -> None:
    def slower_and_slower(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        shown = answers_shown(prompt)
        return Reply(f'{{"index": {shown.index(9) + 1}}}', seconds=1.0 + 1000.0 * (ordinal > 2))

    outcome, judge = await contest("listwise:num_orders=5", solutions(1, 9, 2, 3), slower_and_slower)
    assert (outcome.answer, outcome.stop_reason) == ("9", "finished")
    assert [record.finish_reason for record in judge.records].count("abort") == 2
    assert outcome.seconds < 10


@virtual_clock
async def test_the_budget_or_a_deadline_leaves_the_most_frequent_answer() -> None:
    candidates = solutions(1, 2, 3, 3)
    hangs = Reply('{"index": 1}', seconds=1e6)
    outcome, _ = await contest("listwise", candidates, hangs, budget=Budget(seconds=10))
    assert (outcome.answer, outcome.stop_reason, outcome.confidence) == ("3", "budget", 0.5)
    outcome, judge = await contest("listwise:max_tokens=20", candidates, in_json(), budget=Budget(tokens=200))
    assert (outcome.answer, outcome.stop_reason, judge.records) == ("3", "budget", [])


@virtual_clock
async def test_solutions_that_the_judges_context_does_not_hold_are_cut_evenly() -> None:
    candidates = [
        Reply(f"{letter * size} So \\boxed{{{size}}}.")
        for letter, size in zip("xyz", (2000, 900, 50), strict=True)
    ]
    judge = FakeBackend(in_json(), profile=replace(TOY, context_length=2000))
    outcome, _ = await contest("listwise:n=3,max_judge_tokens=100", candidates, judge)
    assert outcome.answer == "2000"
    asked = judge.decode(judge.requests[0].prompt.token_ids or ())
    assert len(asked) <= 1900
    assert 300 < asked.count("x") < 900
    assert abs(asked.count("x") - asked.count("y")) < 10
    assert asked.count("z") == 50
    (cut,) = noted(outcome, "num_cut_characters")
    assert isinstance(cut, int)
    assert cut > 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("n=0", "n must be >= 1"),
        ("num_orders=0", "num_orders must be >= 1"),
        ("template=compare", "needs the fields question and solutions"),
    ],
)
def test_options_out_of_range_are_refused(options: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        registry.create_strategy(f"listwise:{options}")
