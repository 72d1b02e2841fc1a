"""List-wise choice by judges that answer well, badly, and with intent."""

from __future__ import annotations

import pytest

from ttscale_strategies.refine.rules import ListChoice, StepPicks, list_choice, objects_in


def test_the_worked_examples() -> None:
    assert list_choice('{"index": 2, "analysis": "it checks"}', 4) == ListChoice(2, "it checks")
    beyond = list_choice('{"index": 9}', 4)
    assert beyond.index == 0
    assert beyond.fallback_reason == "the judge's index 9 names no candidate from 0 to 3"


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ('I say ```json\n{"index": 1,\n "analysis": "{}"}\n``` so.', 1),
        ('{"index": 0} no: {"index": 3} and {"other": 1}', 3),
        ('{"analysis": {"index": 1}, "index": 2}', 2),
        ('{"index": "3"}', 3),
        ('{"index": 2.0}', 2),
        ('{ {"index": 1}', 1),
        ('{"set": [1], {"index": 1}', 1),
    ],
)
def test_a_choice_is_found_among_words(text: str, index: int) -> None:
    choice = list_choice(text, 4)
    assert (choice.index, choice.fallback_reason) == (index, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON object with an index"),
        ("Trajectory 2 is best", "no JSON object with an index"),
        ('{"analysis": "all bad"}', "no JSON object with an index"),
        ("[1, 2]", "no JSON object with an index"),
        ("{" * 100_000, "no JSON object with an index"),
        ('{"a":' * 20_000, "no JSON object with an index"),
        ('{"index": ' + "9" * 10_000 + "}", "no JSON object with an index"),
        ('{"index": ' + "9" * 4_000 + "}", "index of more than 40 digits names no candidate"),
        ('{"index": true}', "index True is no whole number"),
        ('{"index": null}', "index None is no whole number"),
        ('{"index": 1.5}', "index 1.5 is no whole number"),
        ('{"index": NaN}', "index nan is no whole number"),
        ('{"index": 1e999}', "index inf is no whole number"),
        ('{"index": "²"}', "index '²' is no whole number"),
        ('{"index": "__import__(\'os\')"}', "is no whole number"),
        ('{"index": [' + "1," * 5_000 + "1]}", "is no whole number"),
        ('{"index": -1}', "index -1 names no candidate from 0 to 3"),
        ('{"index": 4}', "index 4 names no candidate from 0 to 3"),
    ],
)
def test_without_a_choice_the_first_candidate_stands_in_and_the_reason_is_kept(text: str, reason: str) -> None:
    choice = list_choice(text, 4)
    assert choice.index == 0
    assert choice.fallback_reason is not None
    assert reason in choice.fallback_reason
    assert len(choice.fallback_reason) < 200


def test_candidates_may_be_counted_from_1() -> None:
    assert list_choice('{"index": 4}', 4, base=1) == ListChoice(3)
    assert list_choice('{"index": 0}', 4, base=1).fallback_reason == (
        "the judge's index 0 names no candidate from 1 to 4"
    )


def test_an_analysis_is_kept_short_and_must_be_words() -> None:
    assert len(list_choice('{"index": 1, "analysis": "' + "x" * 9_000 + '"}', 2).analysis) == 2_000
    assert list_choice('{"index": 1, "analysis": [1]}', 2).analysis == ""
    assert list_choice('{"index": 7, "analysis": "hm"}', 2).analysis == "hm"


def test_without_candidates_there_is_no_choice() -> None:
    with pytest.raises(ValueError, match="num_candidates must be >= 1"):
        list_choice("{}", 0)


def test_objects_are_found_in_order_and_not_within_others() -> None:
    assert list(objects_in('x {"a": {"b": 1}} y {"c": 2}')) == [{"a": {"b": 1}}, {"c": 2}]
    assert list(objects_in('{"a": 1}' + " " * 30_000)) == []
    assert len(list(objects_in("{}" * 500))) == 100


def test_a_beam_is_picked_one_by_one_from_those_left() -> None:
    picks = StepPicks.of(4, 2)
    assert not picks.is_settled
    assert picks.beam == ()
    picks = picks.after(2)
    assert picks.left == (0, 1, 3)
    picks = picks.after(2)
    assert picks.chosen == picks.beam == (2, 3)
    assert picks.is_settled
    with pytest.raises(ValueError, match="settled"):
        picks.after(0)


def test_where_no_more_are_left_than_places_nobody_is_asked() -> None:
    assert StepPicks.of(2, 2).is_settled
    assert StepPicks.of(2, 2).beam == (0, 1)
    assert StepPicks.of(0, 2).beam == ()
    assert StepPicks.of(3, 2).after(1).after(0).beam == (1, 0)
    with pytest.raises(ValueError, match=r"place must lie in \[0, 2\], got 3"):
        StepPicks.of(3, 2).after(3)
    with pytest.raises(ValueError, match="beam_width must be >= 1"):
        StepPicks.of(3, 0)
