"""What teaches to check sums: worked solutions with many wrong results, each gone on with."""

from __future__ import annotations

import random
import re

from tests.unit.attempts_bench import problems
from ttscale.answers.arithmetic import read_arithmetic
from ttscale.reference.graded_solution import graded_solution
from ttscale.reference.roles import check
from ttscale.reference.roles.attempts import Attempts
from ttscale.reference.roles.corruptions import slipped
from ttscale.reference.roles.steps import label

LEGS = "14*6=84\n84+1*4=84+4=88\n88+10*2=88+20=108\n\\boxed{108}"


def is_true(step: str) -> bool:
    *_, calculation, result = step.split("=")
    return read_arithmetic(f"({calculation})") == int(result)


def test_every_step_is_labelled_as_it_is() -> None:
    found = problems(60)
    for problem, conversation in zip(found, check.conversations(random.Random(0), found), strict=True):
        read = graded_solution(conversation)
        assert read is not None
        bare = Attempts(problem.name, problem.seed, problem.question, problem.key, ())
        labelled = label(bare, "\n".join(read.steps))
        assert (read.question, read.signs) == (problem.question, labelled.signs)
        assert conversation.key == problem.key


def test_as_many_results_are_wrong_as_asked_for_wherever_they_stand() -> None:
    rng = random.Random(0)
    wrong = [[not is_true(step) for step in slipped(LEGS, rng, 0.3).split("\n")[:3]] for _ in range(2000)]
    for place in range(3):
        assert abs(sum(line[place] for line in wrong) / len(wrong) - 0.3) < 0.04
    assert slipped(LEGS, rng, 0.0) == LEGS


def test_a_solution_goes_on_with_what_stands_there() -> None:
    rng = random.Random(1)
    for _ in range(200):
        *steps, box = slipped(LEGS, rng, 0.5).split("\n")
        results = [step.rpartition("=")[2] for step in steps]
        assert [step.partition("+")[0] for step in steps[1:]] == results[:-1]
        assert box == f"\\boxed{{{results[-1]}}}"
        assert all(re.fullmatch("[1-9][0-9]*", result) for result in results)


def test_a_wrong_result_has_the_sign_of_the_right_one() -> None:
    rng = random.Random(2)
    for _ in range(200):
        below, above = slipped("18-43=-25\n-25+60=35", rng, 1.0).split("\n")
        assert below.startswith("18-43=-")
        assert re.fullmatch(r"-[0-9]+\+60=-?[1-9][0-9]*", above)
        assert not is_true(below)
        assert not is_true(above)
