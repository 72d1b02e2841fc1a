"""PATS's modes, step by step, against the two worked sequences."""

from __future__ import annotations

import math

import pytest

from ttscale_strategies.search.rules import (
    Mode,
    ModeSwitching,
    Thinking,
    judged_step,
    next_mode,
    usable_candidates,
)


def carried_out(rewards: list[float], switching: ModeSwitching) -> tuple[list[tuple[Mode, bool]], Thinking]:
    """Return the mode of each round and whether its step was accepted, and the state at the end."""
    state, rounds = switching.start(), list[tuple[Mode, bool]]()
    for reward in rewards:
        verdict = judged_step(state, reward, switching)
        rounds.append((state.mode, verdict.is_accepted))
        state = verdict.state
    return rounds, state


def test_the_first_worked_sequence() -> None:
    state = Thinking()
    for reward, is_accepted, mode in [
        (0.90, True, "medium"),
        (0.86, True, "simple"),
        (0.80, True, "simple"),
        (0.70, True, "complex"),
        (0.35, False, "complex"),
        (0.35, True, "complex"),
    ]:
        verdict = judged_step(state, reward)
        assert (verdict.is_accepted, verdict.state.mode) == (is_accepted, mode)
        state = verdict.state
    assert state.num_rounds == 6


def test_the_second_worked_sequence_draws_thirty_two_candidates() -> None:
    state, drawn, accepted = Thinking(), list[int](), list[bool]()
    for reward in (0.9, 0.9, 0.8, 0.3, 0.35, 0.9):
        drawn.append(state.num_candidates)
        verdict = judged_step(state, reward)
        accepted.append(verdict.is_accepted)
        state = verdict.state
    assert drawn == [8, 4, 2, 2, 8, 8]
    assert sum(drawn) == 32
    assert accepted == [True, True, True, False, True, True]
    assert state.mode == "medium"


@pytest.mark.parametrize(
    ("mode", "reward", "following"),
    [
        ("complex", 0.85, "medium"),
        ("medium", 0.85, "simple"),
        ("simple", 1.0, "simple"),
        ("medium", 0.84, "medium"),
        ("medium", 0.75, "medium"),
        ("medium", 0.7499, "complex"),
        ("simple", 0.0, "complex"),
    ],
)
def test_the_thresholds_belong_to_the_better_side(mode: Mode, reward: float, following: Mode) -> None:
    assert next_mode(mode, reward) == following


def test_exactly_forty_is_not_bad() -> None:
    assert judged_step(Thinking("simple"), 0.40).is_accepted
    assert not judged_step(Thinking("simple"), 0.3999).is_accepted


def test_an_accepted_step_resets_the_count_of_rejections() -> None:
    rounds, state = carried_out([0.3, 0.5, 0.3, 0.3, 0.3], ModeSwitching())
    assert [is_accepted for _, is_accepted in rounds] == [False, True, False, True, False]
    assert state == Thinking("complex", num_rejected=1, num_rounds=5)


def test_a_round_without_a_usable_candidate_is_burnt() -> None:
    before = Thinking("medium", num_rejected=1, num_rounds=4)
    verdict = judged_step(before, None)
    assert not verdict.is_accepted
    assert verdict.state == Thinking("medium", num_rejected=1, num_rounds=5)


def test_without_penalties_every_step_is_accepted() -> None:
    rounds, state = carried_out([0.1, 0.9, 0.1], ModeSwitching(penalty_times=0))
    assert rounds == [("complex", True), ("complex", True), ("medium", True)]
    assert state.mode == "complex"


def test_with_unlimited_penalties_no_bad_step_is_accepted() -> None:
    rounds, state = carried_out([0.1] * 34 + [0.4], ModeSwitching(penalty_times=None))
    assert [is_accepted for _, is_accepted in rounds] == [False] * 34 + [True]
    assert state.num_rejected == 0


@pytest.mark.parametrize(("only", "num_candidates"), [("simple", 2), ("complex", 8), ("medium", 4)])
def test_an_ablation_never_leaves_its_mode_but_rejects_all_the_same(only: Mode, num_candidates: int) -> None:
    switching = ModeSwitching(only=only)
    assert switching.start().num_candidates == num_candidates
    rounds, state = carried_out([0.9, 0.1, 0.1, 0.5, 0.9, 0.9], switching)
    assert {mode for mode, _ in rounds} == {only}
    assert [is_accepted for _, is_accepted in rounds] == [True, False, True, True, True, True]
    assert state.mode == only


def test_a_solution_may_begin_in_another_mode() -> None:
    assert ModeSwitching().start().mode == "complex"
    assert ModeSwitching().start("simple").mode == "simple"
    assert ModeSwitching(only="complex").start("simple").mode == "complex"


def test_only_new_steps_are_worth_a_score() -> None:
    assert usable_candidates(["a", "b", " a\n", "c", "", "b"], ["c "]) == (0, 1)
    assert usable_candidates(["c"], ["c"]) == ()
    assert usable_candidates([], []) == ()


def test_what_does_not_fit_is_refused() -> None:
    for bad in (math.nan, -0.1, 1.1):
        with pytest.raises(ValueError, match="reward must lie in"):
            judged_step(Thinking(), bad)
        with pytest.raises(ValueError, match="reward must lie in"):
            next_mode("simple", bad)
    with pytest.raises(ValueError, match="simpler_from must lie in"):
        ModeSwitching(simpler_from=2.0)
    with pytest.raises(ValueError, match="bad_below <= complex_below <= simpler_from"):
        ModeSwitching(bad_below=0.8)
    with pytest.raises(ValueError, match="bad_below <= complex_below <= simpler_from"):
        ModeSwitching(simpler_from=0.7)
    with pytest.raises(ValueError, match="penalty_times must be >= 0"):
        ModeSwitching(penalty_times=-1)
