"""Labels of steps and answers, held against reasoning-gym's checkers and against plain search."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.attempts_bench import CHAIN, COUNTDOWN, LEGS, attempts, attempts_at, problems
from ttscale.grammars.operations import apply_operator
from ttscale.reference.problems import (
    TRAINING_CONFIGS,
    Entry,
    Problem,
    make_dataset,
    problem_key,
)
from ttscale.reference.roles.attempts import Attempts
from ttscale.reference.roles.steps import can_reach, is_right, label, result_grades, split_steps

FOUR_NUMBERS = attempts("countdown", "Make 10 of 2, 2, 3, 4.", "countdown 10 [2, 2, 3, 4]")
BY_NAME = {each.name: each for each in (CHAIN, COUNTDOWN, LEGS)}


@pytest.fixture(scope="module")
def drawn() -> list[Problem]:
    return problems(150)


def signs(problem: Attempts, text: str) -> str:
    return "".join("+" if sign else "-" for sign in label(problem, text).signs)


# ── against reasoning-gym ─────────────────────────────────────────────────────────────────────────────────


def originals(problem: Problem) -> Iterator[tuple[Entry, object]]:
    """Yield the entries with a problem's key that reasoning-gym draws from its seed, with their data sets."""
    for parameters in TRAINING_CONFIGS[problem.name]:
        dataset = make_dataset(problem.name, parameters, seed=problem.seed, size=1)
        if problem_key(problem.name, dataset[0]) == problem.key:
            yield dataset[0], dataset


def some_answers(problem: Problem, rng: random.Random) -> list[str]:
    """Return answers of all kinds: right, nearly right, oddly written, and none."""
    right = problem.answer
    digits = [i for i, char in enumerate(right) if char.isdigit()]
    place = rng.choice(digits)
    changed = f"{right[:place]}{rng.randrange(10)}{right[place + 1 :]}"
    numbers = rng.sample(digits, len(digits))
    mixed = "".join(rng.choice("+-*/") if char in "+-*/" else char for char in right)
    written = [f"+{right}", f"{right}.0", f" {right}", f"0{right}", f"({right})", f"{right} legs", f"={right}"]
    jumble = "".join(right[i] for i in numbers)
    return [
        right,
        changed,
        mixed,
        jumble,
        "",
        " ",
        "-",
        "1,000",
        *written,
        f"{right}+1-1",
        f"{right}/0",
        f"-{right}",
    ]


@pytest.mark.slow
def test_an_answer_is_right_when_the_checker_of_reasoning_gym_scores_it_one(drawn: list[Problem]) -> None:
    rng, seen = random.Random(1), set[tuple[str, bool]]()
    for problem in drawn[:60]:
        entry, dataset = next(originals(problem))
        for answer in some_answers(problem, rng):
            wanted = dataset.score_answer(answer, entry) == 1.0  # type: ignore[attr-defined]
            assert is_right(Attempts.of(problem), answer) == wanted, (problem.key, answer)
            seen.add((problem.name, wanted))
    assert seen == set(itertools.product(BY_NAME, (False, True)))


def test_a_problem_is_read_back_as_reasoning_gym_drew_it(drawn: list[Problem]) -> None:
    for problem in drawn:
        wanted = next(originals(problem))[0]["metadata"]
        found = Attempts.of(problem).entry["metadata"]
        assert isinstance(wanted, dict)
        assert isinstance(found, dict)
        for name, value in found.items():
            assert value == (sorted(wanted[name]) if name == "numbers" else wanted[name])
        if problem.name == "leg_counting":  # the order matters: the steps follow it
            assert list(found["animals"]) == list(wanted["animals"])


# ── against what else is known to be true ─────────────────────────────────────────────────────────────────


def test_every_line_of_a_worked_solution_is_right(drawn: list[Problem]) -> None:
    for problem in drawn:
        labelled = label(Attempts.of(problem), problem.solution)
        assert labelled.is_clean, problem
        assert labelled.steps == tuple(problem.solution.split("\n"))
        assert len(labelled.signs) == len(labelled.steps)
    assert {problem.name for problem in drawn} == set(BY_NAME)


def test_a_line_of_a_sum_is_right_as_long_as_the_lines_are_those_of_the_worked_solution(
    drawn: list[Problem],
) -> None:
    rng, checked = random.Random(2), 0
    for problem in drawn:
        if problem.name == "countdown":
            continue
        for text in attempts_at(problem, rng, right_share=0.0).texts:
            labelled = label(Attempts.of(problem), text)
            for count, sign in enumerate(labelled.signs[:-1], start=1):
                assert sign == (labelled.steps[:count] == problem.steps[:count]), (problem, text)
                checked += not sign
    assert checked > 100


def reached(value: int, numbers: tuple[int, ...], target: int) -> bool:
    """Whether some order and choice of operators leads to the target: all of them are tried."""
    for order in itertools.permutations(numbers):
        for operators in itertools.product("+-*/", repeat=len(order)):
            result: int | None = value
            for operator, number in zip(operators, order, strict=True):
                result = None if result is None else apply_operator(result, operator, number)
            if result == target:
                return True
    return False


@settings(deadline=None)
@given(value=st.integers(1, 60), numbers=st.lists(st.integers(1, 12), max_size=3), target=st.integers(1, 80))
def test_a_target_can_be_reached_when_some_sequence_of_operations_does(
    value: int, numbers: list[int], target: int
) -> None:
    assert can_reach(value, numbers, target) == reached(value, tuple(numbers), target)


def test_a_countdowns_first_line_is_right_when_the_rest_can_reach_the_target(drawn: list[Problem]) -> None:
    seen = set[bool]()
    for problem in [one for one in drawn if one.name == "countdown"][:12]:
        metadata = Attempts.of(problem).entry["metadata"]
        assert isinstance(metadata, dict)
        numbers, target = metadata["numbers"], metadata["target"]
        for i, j in itertools.permutations(range(len(numbers)), 2):
            rest = tuple(number for k, number in enumerate(numbers) if k not in (i, j))
            for operator in "+-*/":
                result = apply_operator(numbers[i], operator, numbers[j])
                if result is None:
                    continue
                wanted = reached(result, rest, target)
                line = f"{numbers[i]}{operator}{numbers[j]}={result}"
                assert label(Attempts.of(problem), line).signs == (wanted,), (problem, line)
                seen.add(wanted)
    assert seen == {False, True}


# ── by hand ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("problem", "text", "wanted"),
    [
        (CHAIN, "18+43=61\n61-11=50\n\\boxed{50}", "+++"),
        (CHAIN, "18+43=62\n62-11=51\n\\boxed{51}", "---"),
        (CHAIN, "18+43=61\n61-11=51\n\\boxed{51}", "+--"),
        (CHAIN, "18+43=61\n61-11=50\n\\boxed{51}", "++-"),
        (CHAIN, "18+43=61\n61-11=51\n\\boxed{50}", "+-+"),  # the answer counts, however it was found
        (CHAIN, "18-11=7\n7+43=50\n\\boxed{50}", "--+"),  # not the term that is next
        (CHAIN, "18+43=61\n\\boxed{50}", "++"),
        (CHAIN, "18+43=61\n61-11=50\n50-11=39\n\\boxed{39}", "++--"),
        (CHAIN, "18+43=61\nso far so good\n61-11=50\n\\boxed{50}", "+--+"),
        (CHAIN, "18+43=61\n61-11=50", "++"),
        (CHAIN, "18+43=61\n\\boxed{50}\n61-11=50", "+--"),
        (CHAIN, "18+43=61\n\n  61-11=50 \n so it is \\boxed{50}.", "+++"),
        (CHAIN, "18+043=61", "-"),
        (CHAIN, "18 + 43 = 61", "-"),
        (CHAIN, "", ""),
        (COUNTDOWN, "3+2=5\n5*2=10\n\\boxed{(3+2)*2}", "+++"),
        (COUNTDOWN, "2+3=5\n5*2=10\n\\boxed{2*(2+3)}", "+++"),
        (COUNTDOWN, "2*2=4\n4+3=7\n\\boxed{2*2+3}", "---"),  # true, but nothing leads to 10 from there
        (COUNTDOWN, "3+2=5\n5+2=7\n\\boxed{3+2+2}", "+--"),
        (COUNTDOWN, "3+2=6\n6*2=12\n\\boxed{(3+2)*2}", "--+"),
        (COUNTDOWN, "3+2=5\n5*3=15\n\\boxed{(3+2)*3}", "+--"),  # the 3 is used up
        (COUNTDOWN, "3+2=5\n2*5=10\n\\boxed{2*(3+2)}", "+-+"),  # the running value stands first
        (COUNTDOWN, "5*2=10\n\\boxed{5*2}", "--"),
        (FOUR_NUMBERS, "3+2=5\n5*4=20\n20/2=10\n\\boxed{(3+2)*4/2}", "++++"),
        (FOUR_NUMBERS, "3+2=5\n4+2=6\n6+4=10\n\\boxed{3+2+4+2}", "+---"),  # the 5 is left behind
        (COUNTDOWN, "3-2=1\n1-2=-1\n\\boxed{10}", "---"),
        (COUNTDOWN, "3/0=0\n\\boxed{3/0}", "--"),
        (LEGS, "14*6=84\n84+1*4=84+4=88\n88+10*2=88+20=108\n\\boxed{108}", "++++"),
        (LEGS, "14*6=84\n84+1*4=84+4=89\n89+10*2=89+20=109\n\\boxed{109}", "+---"),
        (LEGS, "14*6=84\n84+10*2=84+20=104\n104+1*4=104+4=108\n\\boxed{108}", "+--+"),
        (LEGS, "14*6=84\n84+1*4=84+3=88\n\\boxed{87}", "+--"),
        (LEGS, "14*8=112\n\\boxed{112}", "--"),
        (LEGS, "14*6=84\n10*2=20\n\\boxed{104}", "+--"),
    ],
)
def test_lines_are_labelled_as_one_would(problem: Attempts, text: str, wanted: str) -> None:
    assert signs(problem, text) == wanted
    assert label(problem, text).steps == split_steps(text)


@pytest.mark.parametrize(
    ("problem", "text", "wanted"),
    [
        (CHAIN, "18+43=61\n61-11=50\n\\boxed{50}", "++++++++ ++++++++ .........."),
        (CHAIN, "18+43=62\n62-11=51\n\\boxed{51}", "+++++++- ......++ .........."),  # then the sum alone counts
        (CHAIN, "18+41=59\n59-11=48\n\\boxed{48}", "++++-.++ ......++ .........."),
        (CHAIN, "18+43=61\n61\n\\boxed{61}", "++++++++ ++ .........."),  # what is missing cannot be marked
        (CHAIN, "18+43=61\n\\boxed{61}\n61-11=50", "++++++++ -......... ......++"),
        (COUNTDOWN, "3+2=5\n5*2=10\n\\boxed{(3+2)*2}", "+++++ ++++++ ..............."),
        (COUNTDOWN, "3*2=6\n6*2=12", "+-..+ ....++"),  # only 3+2 leads to 10
        (LEGS, "14*6=84\n84+1*4=84+3=87", "+++++++ ++++++++++-.++"),
    ],
)
def test_the_places_of_a_line_are_right_up_to_the_first_mistake_of_all(
    problem: Attempts, text: str, wanted: str
) -> None:
    found = label(problem, text)
    said = [dict(grades) for grades in found.grades]
    marked = [
        "".join(at.get(place, ".") for place in range(len(step)))
        for step, at in zip(found.steps, said, strict=True)
    ]
    assert " ".join(marked) == wanted


def test_an_answer_without_a_box_is_wrong() -> None:
    labelled = label(CHAIN, "18+43=61\n61-11=50")
    assert not labelled.is_right
    assert not labelled.is_clean


def test_an_expression_that_is_only_a_difference_is_an_answer_too() -> None:
    problem = attempts("countdown", "Make 4.", "countdown 4 [3, 5, 12]")
    assert is_right(problem, "12-5-3")
    assert not is_right(problem, "12-8")
    assert not is_right(problem, "4")


@settings(deadline=None)
@given(
    text=st.text(st.sampled_from("0123456789+-*/=()\\boxed{} \n²٣,.eE_"), max_size=60) | st.text(max_size=60)
)
@example(text="9" * 5000 + "+1=2\n\\boxed{" + "9" * 5000 + "}")
@example(text="\\boxed{" + "(" * 1000 + "}")
@example(text="\\boxed{1e999999999}")
@example(text="\\boxed{NaN}")
@example(text="\\boxed{sNaN}")
@example(text="18+٤٣=61\n\\boxed{٥٠}")
@example(text="2**9=512\n\\boxed{9**9**9**9}")
def test_whatever_a_model_writes_is_labelled(text: str) -> None:
    for problem in BY_NAME.values():
        labelled = label(problem, text)
        assert (
            len(labelled.signs)
            == len(labelled.steps)
            == len([line for line in text.split("\n") if line.strip()])
        )


def test_a_data_set_whose_steps_are_unknown_is_refused() -> None:
    problem = attempts("mini_sudoku", "Solve it.", "mini_sudoku 1")
    with pytest.raises(
        ValueError, match="steps of 'mini_sudoku' cannot be checked; use one of chain_sum, countdown, leg_c"
    ):
        label(problem, "1")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("18+43=61", "++"),
        ("18+43=51", "--"),
        ("18+43=62", "+-"),
        ("18+43=611", "++-"),
        ("-5-7=-12", "+++"),
        ("-5-7=12", "--"),
        ("4+2*3=4+6=10", "++"),
        ("60/7=8", "-"),
        ("60/7=6", "-"),
        ("18+=61", ""),
        ("\\boxed{61}", ""),
        ("1" * 50 + "+1=2", ""),
    ],
)
def test_the_digits_of_a_result_are_right_up_to_the_first_that_differs(line: str, said: str) -> None:
    grades = result_grades(line)
    assert "".join(sign for _, sign in grades) == said
    assert [line[place] for place, _ in grades] == list(line[len(line) - len(said) :])
