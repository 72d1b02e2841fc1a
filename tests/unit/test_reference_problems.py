from __future__ import annotations

import itertools
import random

import pytest

from ttscale.grammars.operations import apply_operator
from ttscale.reference.problems import (
    EVALUATION_CONFIGS,
    HELD_OUT_CONFIGS,
    HELD_OUT_SEEDS,
    TRAINING_CONFIGS,
    TRAINING_SEED_START,
    TRAINING_SHARES,
    Problem,
    countdown_solutions,
    make_dataset,
    problem_key,
    solve_entry,
    training_problems,
    training_seed_range,
)


@pytest.fixture(scope="module")
def drawn() -> list[Problem]:
    return list(itertools.islice(training_problems(0), 250))


@pytest.mark.slow
def test_every_training_solution_scores_one_with_the_checker_of_reasoning_gym(drawn: list[Problem]) -> None:
    checked = set[str]()
    for problem in drawn:
        matches = 0
        for parameters in TRAINING_CONFIGS[problem.name]:
            dataset = make_dataset(problem.name, parameters, seed=problem.seed, size=1)
            entry = dataset[0]
            if problem_key(problem.name, entry) == problem.key:
                matches += 1
                assert dataset.score_answer(problem.answer, entry) == 1.0, problem
        assert matches, problem
        checked.add(problem.name)
    assert checked == set(EVALUATION_CONFIGS)


def test_every_line_of_a_solution_is_true_and_follows_from_the_line_before(drawn: list[Problem]) -> None:
    for problem in drawn:
        total = None
        for step in problem.steps:
            sides = step.split("=")
            values = [_value(side) for side in sides]
            assert len(set(values)) == 1, problem
            assert total is None or sides[0].startswith(str(total)), problem
            total = values[0]
        assert problem.solution.endswith(f"\n\\boxed{{{problem.answer}}}")


def _value(text: str) -> int:
    """Evaluate `a`, `a*b`, `a+b*c` and the like without eval."""
    total, sign, product = 0, 1, 1
    negative = text.startswith("-")
    number = -1 if negative else 1
    pending = "*"
    for piece in _pieces(text[negative:]):
        if piece in "+-":
            total += sign * product
            sign, product, pending = (1 if piece == "+" else -1), 1, "*"
        elif piece in "*/":
            pending = piece
        else:
            operand = int(piece) * number
            number = 1
            product = product * operand if pending == "*" else product // operand
    return total + sign * product


def _pieces(text: str) -> list[str]:
    return ["".join(group) for _, group in itertools.groupby(text, lambda c: c if c in "+-*/" else "0")]


def test_the_same_run_seed_gives_the_same_problems_and_another_one_others() -> None:
    first, again = (list(itertools.islice(training_problems(3), 12)) for _ in range(2))
    other = list(itertools.islice(training_problems(4), 12))
    assert first == again
    assert {problem.key for problem in first}.isdisjoint(problem.key for problem in other)


def test_training_draws_from_seeds_that_no_evaluation_uses(drawn: list[Problem]) -> None:
    assert HELD_OUT_SEEDS.stop <= TRAINING_SEED_START
    assert all(problem.seed in training_seed_range(0) for problem in drawn)
    assert training_seed_range(0).start == TRAINING_SEED_START
    assert training_seed_range(0).stop <= training_seed_range(1).start


def test_a_reasoning_gym_item_depends_on_the_sum_of_seed_and_index_only() -> None:
    for name, parameters in EVALUATION_CONFIGS.items():
        shifted = make_dataset(name, parameters, seed=40, size=10)
        plain = make_dataset(name, parameters, seed=43, size=10)
        assert shifted[5]["question"] == plain[2]["question"]


def test_a_negative_run_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="give 0 or more"):
        training_seed_range(-1)


def test_what_is_evaluated_is_among_what_is_held_out() -> None:
    assert set(EVALUATION_CONFIGS) == set(HELD_OUT_CONFIGS) == set(TRAINING_CONFIGS) == set(TRAINING_SHARES)
    assert sum(TRAINING_SHARES.values()) == pytest.approx(1.0)
    for name, chosen in EVALUATION_CONFIGS.items():
        assert chosen in HELD_OUT_CONFIGS[name]


def test_the_key_of_a_countdown_ignores_wording_and_order() -> None:
    entry = {"question": "x", "metadata": {"numbers": [6, 61, 94, 4], "target": 309}}
    other = {"question": "y", "metadata": {"numbers": [94, 4, 6, 61], "target": 309}}
    harder = {"question": "x", "metadata": {"numbers": [6, 61, 94, 4], "target": 310}}
    assert problem_key("countdown", entry) == problem_key("countdown", other)
    assert problem_key("countdown", entry) != problem_key("countdown", harder)


def test_a_countdown_is_solved_in_positive_whole_steps_and_each_order_is_listed_once() -> None:
    solutions = list(countdown_solutions((4, 6, 61, 94), 309))
    assert [(start, [f"{m.operator}{m.number}" for m in moves]) for start, moves in solutions] == [
        (94, ["*4", "-61", "-6"])
    ]
    assert list(countdown_solutions((2, 2), 100)) == []
    assert [start for start, _ in countdown_solutions((3, 3), 6)] == [3]


def test_only_positive_whole_results_are_steps() -> None:
    assert apply_operator(7, "-", 7) is None
    assert apply_operator(7, "/", 2) is None
    assert apply_operator(8, "/", 2) == 4
    assert apply_operator(8, "*", 2) == 16


def test_an_expression_keeps_its_brackets_only_where_they_are_needed() -> None:
    entry = {"question": "Make 10.", "metadata": {"numbers": [2, 3, 2], "target": 10}}
    problem = solve_entry("countdown", 0, entry, random.Random(0))
    assert problem is not None
    assert problem.answer == "(3+2)*2"
    assert problem.steps == ("3+2=5", "5*2=10")


def test_a_countdown_without_a_solution_is_left_out() -> None:
    entry = {"question": "Make 999.", "metadata": {"numbers": [1, 1, 1], "target": 999}}
    assert solve_entry("countdown", 0, entry, random.Random(0)) is None
