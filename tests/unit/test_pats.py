"""PATS: how many candidates each round has, what is accepted, and which solution is the answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest

from tests.unit.search_bench import Grader, Steps, begun_of, nodes_of, solve
from ttscale import Budget
from ttscale.testing import Reply, virtual_clock
from ttscale.types import Prompt, Score
from ttscale_strategies.search.pats import PATS


class Candidates:
    """A script of endless steps, another one each time."""

    def __init__(self) -> None:
        self.at = list[int]()

    def __call__(self, prompt: Prompt, seed: int, ordinal: int) -> Reply:
        self.at.append(begun_of(prompt).count("\n"))
        return Reply(f"step {ordinal}\n")


def by_depth(rewards: Sequence[float | None], *, best: Collection[int] = ()) -> Callable[[str], Score]:
    """Return a grade by the number of lines before; the best of each round have it all, and others less."""

    def grade(text: str) -> Score:
        *before, newest = text.splitlines()
        reward = rewards[len(before)]
        is_best = int(newest.split()[1]) in best
        return Score(value=reward if reward is None or is_best or not best else reward - 0.1)

    return grade


def counts(at: Sequence[Any]) -> list[int]:
    """Return how often each comes in a row."""
    found = list[int]()
    for number, item in enumerate(at):
        if number and item == at[number - 1]:
            found[-1] += 1
        else:
            found.append(1)
    return found


@virtual_clock
async def test_modes_follow_the_rewards() -> None:
    # .90 → medium, .86 → simple, .80 → simple, .70 → complex; .35 is drawn again in complex mode and accepted
    # then; the step after it is complex, and its last round is written to the end.
    script = Candidates()
    grader = Grader(grade=by_depth([0.90, 0.86, 0.80, 0.70, 0.35, 0.80], best={1, 9, 13, 15, 17, 25, 33}))
    outcome = await solve(PATS(verifier=grader, max_rounds=7), script)
    assert counts(script.at) == [8, 4, 2, 2, 8 + 8, 8]
    kept = [node["text"] for node in nodes_of(outcome) if node["state"] == "expanded"]
    assert kept == [f"step {number}\n" for number in (1, 9, 13, 15, 25)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [8 + 8, 8 + 8]),
        ({"penalty_times": 0}, [8, 8, 8, 8]),
        ({"penalty_times": 2}, [8 + 8 + 8, 8]),
        ({"penalty_times": None}, [8 * 4]),
        ({"only": "simple"}, [2 + 2, 2 + 2]),
        ({"start": "simple"}, [2 + 8, 8 + 8]),
        ({"bad_below": 0.1}, [8, 8, 8, 8]),
        ({"complex_below": 0.2, "bad_below": 0.1, "start": "medium"}, [4, 4, 4, 4]),
    ],
)
@virtual_clock
async def test_bad_steps_are_drawn_again(options: Any, expected: list[int]) -> None:
    script = Candidates()
    await solve(PATS(verifier=Grader(grade=by_depth([0.3] * 5)), max_rounds=4, **options), script)
    assert counts(script.at) == expected


@virtual_clock
async def test_steps_that_were_taken_are_not_taken_again_and_a_round_of_nothing_else_is_lost() -> None:
    again = ["a\na\n", "a\n a\n", "a\n\\boxed{1}", "a\na\n"]  # what has been written is gone on from
    script = Steps({"": ["a\n", "b\n"], "a\n": again})
    rewards = {"a\n": 0.9, "b\n": 0.8, "a\na\n": 0.9, "a\n a\n": 0.9, "a\n\\boxed{1}": 0.5}
    grader = Grader(grade=lambda text: Score(value=rewards[text]))
    outcome = await solve(PATS(verifier=grader, only="simple"), script)
    assert script.at == ["", "", "a\n", "a\n", "a\n", "a\n"]
    assert outcome.answer == "1"


@virtual_clock
async def test_the_answer_is_that_of_the_chain_and_not_of_a_better_candidate_of_another_step() -> None:
    script = Steps(
        {
            "": [Reply("\\boxed{9}"), Reply("a\n")],
            "a\n": [Reply("\\boxed{1}"), Reply("x\\boxed{1}")],
        }
    )
    rewards = {"\\boxed{9}": 0.8, "a\n": 0.82, "a\n\\boxed{1}": 0.6, "a\nx\\boxed{1}": 0.7}
    grader = Grader(grade=lambda text: Score(value=rewards[text]))
    outcome = await solve(PATS(verifier=grader, only="simple"), script)
    assert (outcome.answer, outcome.text, outcome.confidence) == ("1", "a\nx\\boxed{1}", 0.7)
    assert [candidate.answer for candidate in outcome.candidates] == ["1"]
    assert outcome.stop_reason == "finished"


@virtual_clock
async def test_where_no_end_was_accepted_the_best_candidate_that_ended_is_the_answer() -> None:
    script = Steps({"": [Reply("\\boxed{9}"), Reply("a\n")]})
    rewards = {"\\boxed{9}": 0.8, "a\n": 0.82}
    grader = Grader(grade=lambda text: Score(value=rewards[text]))
    outcome = await solve(PATS(verifier=grader, only="simple"), script, budget=Budget(samples=2))
    assert (outcome.answer, outcome.stop_reason, outcome.confidence) == ("9", "budget", 0.8)


@virtual_clock
async def test_the_candidates_of_the_last_round_are_written_to_the_end() -> None:
    script = Steps({"": ["a\n", "b\n"], "b\n": ["c\nd\n\\boxed{1}", "c\n\\boxed{2}"]})
    rewards = {"a\n": 0.1, "b\n": 0.8, "b\nc\nd\n\\boxed{1}": 0.2, "b\nc\n\\boxed{2}": 0.1}
    grader = Grader(grade=lambda text: Score(value=rewards[text]))
    strategy = PATS(verifier=grader, only="simple", max_rounds=2)
    outcome = await solve(strategy, script)
    assert len(script.at) == strategy.max_samples() == 4
    # Both are bad and rejected, and there is no round left: the best of them is the answer.
    assert (outcome.answer, outcome.confidence) == ("1", 0.2)


@virtual_clock
async def test_an_end_without_words_is_a_step() -> None:
    script = Steps({"": ["4\n", "5\n"], "4\n": [Reply(""), Reply("")]})
    rewards = {"4\n": 0.9, "5\n": 0.1}
    grader = Grader(grade=lambda text: Score(value=rewards[text]))
    outcome = await solve(PATS(verifier=grader, only="simple"), script)
    assert script.at == ["", "", "4\n", "4\n"]
    assert outcome.stop_reason == "finished"


@virtual_clock
async def test_steps_without_a_reward_are_the_worst_and_do_not_stop_the_chain() -> None:
    script = Candidates()
    outcome = await solve(PATS(verifier=Grader(grade=by_depth([None] * 9)), max_rounds=5), script)
    assert counts(script.at) == [16, 16, 8]
    assert outcome.stop_reason == "finished"


@virtual_clock
async def test_rounds_in_which_every_draw_fails_are_lost_and_counted() -> None:
    failed = Reply("x", error="no")
    script = Steps({"": [failed, failed, failed, "a\\boxed{3}"]})
    grader = Grader(grade=lambda _: Score(value=0.9))
    outcome = await solve(PATS(verifier=grader, only="simple", max_rounds=9), script)
    assert len(script.at) == 4
    assert outcome.answer == "3"


@virtual_clock
async def test_a_round_waits_for_all_of_its_candidates() -> None:
    script = Steps(
        {
            "": [Reply("a\n", seconds=9), Reply("b\n", seconds=1)],
            "a\n": [Reply("\\boxed{1}", seconds=1), Reply("\\boxed{1}", seconds=2)],
        }
    )
    grader = Grader(grade=lambda text: Score(value=0.9 if text.startswith("a") else 0.8))
    outcome = await solve(PATS(verifier=grader, only="simple"), script)
    assert outcome.seconds == pytest.approx(11)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_rounds": 0}, "max_rounds"),
        ({"simpler_from": 0.5}, "simpler_from"),
        ({"bad_below": 0.8}, "bad_below"),
        ({"penalty_times": -1}, "penalty_times"),
    ],
)
def test_numbers_out_of_range_are_refused(options: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        PATS(**options)


def test_how_many_samples_it_takes_is_known_of_one_mode_alone() -> None:
    assert PATS().max_samples() is None
    assert PATS(only="complex", max_rounds=3).max_samples() == 24
    assert PATS(only="complex", max_rounds=3, max_depth=2).max_samples() is None
