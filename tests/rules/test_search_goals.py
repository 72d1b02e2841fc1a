"""Plans and shared progress, on the toy domain: reach a number by +1 and ×2."""

from __future__ import annotations

import pytest

from ttscale_strategies.search.rules import (
    GoalSolution,
    PlanProgress,
    advanced,
    parse_plan,
    plan_fault,
    replanned,
)

ANSWER = """Here is what I have in mind.

```lean
have h1 : x = 4 := by
  sorry
have h2 :
    x =   8

have
have := by sorry
then x = 9
have h3 : x = 9
```
That will have to do.
"""
PLAN = ("reach 4", "reach 8")
TOY = PlanProgress(PLAN, "reach 9")


def reaches_its_goal(progress: PlanProgress, solution: GoalSolution) -> bool:
    """Replay all steps from 1 and compare with the goal at the frontier."""
    value = 1
    for step in (*progress.assembled, *solution):
        value = value + 1 if step == "+1" else value * 2
    return f"reach {value}" == progress.goal


def test_a_plan_is_read_from_an_answer() -> None:
    assert parse_plan(ANSWER) == ("have h1 : x = 4", "have h2 : x = 8", "have h3 : x = 9")


def test_a_step_without_the_keyword_is_no_sub_goal() -> None:
    assert parse_plan("h1 : x = 4\nhaving h2 : x = 8\nwe have h3 : x = 9") == ()
    assert parse_plan("") == ()


def test_the_keyword_is_a_matter_of_the_domain() -> None:
    assert parse_plan("reach 4\nreach 8\n", keyword="reach") == PLAN
    for bad in ("", "two words", " reach"):
        with pytest.raises(ValueError, match="keyword must be one word"):
            parse_plan("", keyword=bad)


def test_a_first_plan_needs_sub_goals_none_empty_and_none_twice() -> None:
    assert plan_fault(PLAN) is None
    assert plan_fault(()) == "the plan has no sub-goals"
    assert plan_fault(("reach 4", " ")) == "sub-goal 1 is empty"
    assert plan_fault(("reach 4", "reach 8", "reach 4")) == "sub-goal 2, 'reach 4', is given twice"


@pytest.mark.parametrize(
    ("plan", "fault"),
    [
        (("reach 4", "reach 5", "reach 8"), None),
        (("reach 4", "reach 6"), None),
        (
            ("reach 5", "reach 4", "reach 8"),
            "sub-goal 0 must be the proven 'reach 4', verbatim, but is 'reach 5'",
        ),
        (("Reach 4", "reach 5"), "sub-goal 0 must be the proven 'reach 4', verbatim, but is 'Reach 4'"),
        (("reach 4",), "the plan has no new sub-goals"),
        (("reach 4", "reach 8"), "a new sub-goal must come before the one that is stuck, 'reach 8'"),
        (("reach 4", "reach 8", "reach 5"), "a new sub-goal must come before the one that is stuck, 'reach 8'"),
    ],
)
def test_a_new_plan_keeps_what_is_proven_and_adds_before_what_is_stuck(
    plan: tuple[str, ...], fault: str | None
) -> None:
    assert plan_fault(plan, proven=["reach 4"], stuck="reach 8") == fault


def test_a_plan_shorter_than_what_is_proven_is_faulty() -> None:
    fault = plan_fault(["reach 4"], proven=["reach 4", "reach 8"])
    assert fault == "sub-goal 1 must be the proven 'reach 8', verbatim, but is nothing"


def test_a_worker_that_is_behind_goes_on_from_the_shared_frontier() -> None:
    assert (TOY.goal, TOY.frontier, TOY.ahead_of(0)) == ("reach 4", 0, ())
    after = advanced(TOY, 0, "reach 4", ["*2", "*2"], is_valid=reaches_its_goal)
    assert (after.goal, after.frontier) == ("reach 8", 1)
    assert after.ahead_of(0) == (("*2", "*2"),)
    assert after.ahead_of(1) == ()


def test_a_late_result_for_a_solved_goal_is_dropped() -> None:
    after = advanced(TOY, 0, "reach 4", ["*2", "*2"])
    assert advanced(after, 0, "reach 4", ["+1", "+1", "+1"]) == after


def test_a_late_result_is_dropped_even_if_the_target_has_the_words_of_its_goal() -> None:
    after = advanced(PlanProgress(("reach 4",), "reach 4"), 0, "reach 4", ["*2", "*2"])
    assert after.goal == "reach 4"
    assert advanced(after, 0, "reach 4", ["+1"]) == after
    assert advanced(after, 1, "reach 4", []).goal is None


def test_a_result_ahead_of_the_frontier_is_dropped() -> None:
    assert advanced(TOY, 1, "reach 8", ["*2"]) == TOY


def test_an_invalid_solution_is_not_taken_and_only_those_at_the_frontier_are_checked() -> None:
    assert advanced(TOY, 0, "reach 4", ["+1"], is_valid=reaches_its_goal) == TOY

    def never_asked(progress: PlanProgress, solution: GoalSolution) -> bool:
        raise AssertionError(f"{progress} was asked for {solution}")

    assert advanced(TOY, 1, "reach 8", ["*2"], is_valid=never_asked) == TOY


def test_the_target_is_reached_step_by_step_and_the_solution_assembled() -> None:
    progress = TOY
    for index, (goal, steps) in enumerate(
        [("reach 4", ["*2", "*2"]), ("reach 8", ["*2"]), ("reach 9", ["+1"])]
    ):
        progress = advanced(progress, index, goal, steps, is_valid=reaches_its_goal)
    assert progress.goal is None
    assert progress.frontier == 3
    assert progress.assembled == ("*2", "*2", "*2", "+1")
    assert advanced(progress, 3, "reach 10", ["+1"]) == progress
    with pytest.raises(ValueError, match="nothing left to plan"):
        replanned(progress, ["reach 5"])


def test_without_a_plan_the_target_is_the_only_goal() -> None:
    progress = PlanProgress((), "reach 2")
    assert progress.goals == ("reach 2",)
    assert advanced(progress, 0, "reach 2", ["+1"], is_valid=reaches_its_goal).goal is None


def test_a_new_plan_keeps_the_progress() -> None:
    progress = advanced(TOY, 0, "reach 4", ["*2", "*2"])
    anew = replanned(progress, ["reach 4", "reach 5", "reach 8"])
    assert anew.goals == ("reach 4", "reach 5", "reach 8", "reach 9")
    assert (anew.goal, anew.solutions) == ("reach 5", progress.solutions)
    with pytest.raises(ValueError, match="the plan cannot be used: a new sub-goal must come before"):
        replanned(progress, PLAN)
    with pytest.raises(ValueError, match="must be the proven 'reach 4'"):
        replanned(progress, ["reach 5", "reach 8"])


def test_a_result_of_the_old_plan_cannot_pass_for_a_goal_of_the_new_one() -> None:
    progress = replanned(advanced(TOY, 0, "reach 4", ["*2", "*2"]), ["reach 4", "reach 5", "reach 8"])
    assert progress.frontier == 1
    assert advanced(progress, 1, "reach 8", ["*2"]) == progress
    assert advanced(progress, 1, "reach 5", ["+1"]).frontier == 2


def test_where_only_the_target_is_stuck_a_new_plan_adds_sub_goals_before_it() -> None:
    progress = PlanProgress(("reach 4",), "reach 9", (("*2", "*2"),))
    assert replanned(progress, ["reach 4", "reach 8"]).goal == "reach 8"
    with pytest.raises(ValueError, match="no new sub-goals"):
        replanned(progress, ["reach 4"])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="the plan cannot be used: sub-goal 1"):
        PlanProgress(("reach 4", "reach 4"), "reach 9")
    with pytest.raises(ValueError, match="2 solutions are too many for 1 goals"):
        PlanProgress((), "reach 9", ((), ()))
    with pytest.raises(ValueError, match="index must be >= 0"):
        advanced(TOY, -1, "reach 9", [])
    with pytest.raises(ValueError, match="index must be >= 0"):
        TOY.ahead_of(-1)
