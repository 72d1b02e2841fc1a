"""Equivalence and classes of answers, with the real math-verify in a real worker process."""

from __future__ import annotations

import itertools
import sys
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio

from ttscale.answers import WORKER_FUNCTION, AnswerClasses, answer_key, equivalent, require_math_verify
from ttscale.errors import MissingExtra
from ttscale.types import JSON
from ttscale.workers import WorkerFailure, Workers, WorkerTimeout

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def workers() -> AsyncIterator[Workers]:
    async with Workers(1) as pool:
        await pool.warm(WORKER_FUNCTION)
        yield pool


class CountingWorkers(Workers):
    """Counts calls and passes them on, or lets them time out."""

    def __init__(self, workers: Workers | None) -> None:
        super().__init__(1)
        self.num_calls = 0
        self._inner = workers

    async def call(self, function: str, *arguments: JSON, timeout_seconds: float = 5.0) -> JSON:
        self.num_calls += 1
        if self._inner is None:
            raise WorkerTimeout(function, timeout_seconds)
        return await self._inner.call(function, *arguments, timeout_seconds=timeout_seconds)


SAME = [
    ("1/2", "0.5"),
    ("50\\%", "0.5"),
    ("0.5", "50%"),
    ("50%", "50"),
    ("52_8", "52"),
    ("\\text{Evelyn}", "evelyn"),
    ("5", "x = 5"),
    ("2\\sqrt{2}", "\\sqrt{8}"),
    ("x+1", "1+x"),
    ("x^2-1", "(x-1)(x+1)"),
    ("\\frac{1}{2}x", "x/2"),
    ("1024", "2^{10}"),
    ("3+4i", "4i+3"),
    ("\\{1, 2\\}", "2, 1"),
    ("x < 5", "5 > x"),
    ("\\cos(2x)", "1-2\\sin^2(x)"),
    ("\\begin{pmatrix} 1 & 2 \\end{pmatrix}", "\\begin{pmatrix}1&2\\end{pmatrix}"),
    ("y = 2x + 1", "2x+1"),
]

DIFFERENT = [
    ("1/2", "0.51"),
    ("50%", "5"),
    ("52_8", "53"),
    ("52", "52_8"),
    ("0.333", "1/3"),
    ("2\\sqrt{2}", "\\sqrt{2}"),
    ("x+1", "x-1"),
    ("(1, 2)", "(2, 1)"),
    ("[0, 1)", "(0, 1)"),
    ("yes", "no"),
    ("x", ""),
    # What math-verify by itself takes for the same:
    ("listen", "silent"),
    ("1 2 3", "1 3 2"),
    ("2024-01-03", "2024-02-02"),
    ("R U R'", "R R U"),
    ("52_8", "52_9"),
    ("5 apples", "5 pears"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("gold", "answer"), SAME)
async def test_the_same_answer_in_other_words_is_equivalent(workers: Workers, gold: str, answer: str) -> None:
    assert await equivalent(workers, gold, answer)


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
async def test_another_answer_is_not_equivalent(workers: Workers, gold: str, answer: str) -> None:
    assert not await equivalent(workers, gold, answer)


async def test_numbers_and_words_need_no_worker() -> None:
    workers = CountingWorkers(None)
    for gold, answer in [("1/2", "0.5"), ("1", "2"), ("yes", "no"), ("A", "B"), ("1", "yes"), ("3-5", "2-5")]:
        await equivalent(workers, gold, answer)
    assert workers.num_calls == 0


ANSWERS = ["x+1", "3", "1+x", None, "yes", "3.0", "2x", "x\\cdot 2", "Yes"]
KEYS = ["x+1", "3", "x+1", None, "yes", "3", "2x", "2x", "yes"]


async def test_equivalent_formulas_share_the_key_seen_first(workers: Workers) -> None:
    classes = AnswerClasses(workers)
    assert [await classes.key(answer) for answer in ANSWERS] == KEYS
    assert await AnswerClasses(workers).keys(ANSWERS) == KEYS


async def test_keys_in_sample_order_do_not_depend_on_what_was_asked_before(workers: Workers) -> None:
    for order in itertools.permutations([0, 2, 6, 7]):
        classes = AnswerClasses(workers)
        known: list[int] = []
        for index in order:  # samples arrive in this order, and are asked about by index
            known = sorted([*known, index])
            await classes.keys([ANSWERS[index] for index in known])
        assert await classes.keys(ANSWERS) == KEYS


async def test_what_was_compared_once_is_not_compared_again(workers: Workers) -> None:
    counting = CountingWorkers(workers)
    classes = AnswerClasses(counting)
    await classes.keys(["x+1", "1+x", "2x", "3x"])
    num_calls = counting.num_calls
    assert 0 < num_calls <= 3
    assert await classes.keys(["x+1", "1+x", "2x", "3x", "1+x"]) == ["x+1", "x+1", "2x", "3x", "x+1"]
    assert counting.num_calls == num_calls


async def test_what_cannot_be_decided_stays_apart_and_is_given_up_soon() -> None:
    counting = CountingWorkers(None)
    answers = [f"x+{number}y" for number in range(2, 40)]
    assert await AnswerClasses(counting).keys(answers) == [answer_key(answer) for answer in answers]
    assert counting.num_calls == 3


async def test_without_math_verify_keys_are_plain(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "math_verify", None)
    counting = CountingWorkers(workers)
    assert await AnswerClasses(counting).keys(["x+1", "1+x"]) == ["x+1", "1+x"]
    assert await equivalent(counting, "x+1", "x + 1")
    with pytest.raises(MissingExtra, match=r"pip install 'ttscale\[evals\]'"):
        await equivalent(counting, "x+1", "1+x")
    with pytest.raises(MissingExtra, match="math-verify is not installed"):
        require_math_verify()
    assert counting.num_calls == 0


# Short enough to reach math-verify, and more than any computer can work out.
EXPLOSIVE = [
    "\\sum_{n=1}^{999999999} n^{999}",
    "\\prod_{i=1}^{99999999} i",
    "9^{9999}!",
    "\\binom{999999999}{333333333}",
]

# Refused by their looks, before anything is computed.
# fmt: off
REFUSED = [
    "9^{9^{9^{9}}}", "10^{10^{10}}", "9**9**9", "(9^9)^{9^9}", "9^{999999999}", "99999999!", "((9!)!)!",
    "{" * 500_000 + "}" * 500_000, "(" * 200 + "x" + ")" * 200, "\\frac{1}{" * 60 + "x" + "}" * 60,
    "+x" * 400,
]
# fmt: on


@pytest.mark.slow
@pytest.mark.parametrize("answer", EXPLOSIVE)
async def test_a_hostile_formula_is_stopped_and_the_next_one_is_graded(workers: Workers, answer: str) -> None:
    with suppress(WorkerFailure):
        assert not await equivalent(workers, "x+1", answer, timeout_seconds=0.3)
    assert await equivalent(workers, "x+1", "1+x")


async def test_formulas_that_would_explode_never_reach_a_worker() -> None:
    counting = CountingWorkers(None)
    for answer in REFUSED:
        assert not await equivalent(counting, "x+1", answer)
        assert not await equivalent(counting, answer, "x+1")
        assert await AnswerClasses(counting).keys(["x+1", answer]) == ["x+1", answer_key(answer)]
    assert counting.num_calls == 0


@pytest.mark.slow
async def test_hostile_text_given_straight_to_the_worker_is_stopped_as_well(workers: Workers) -> None:
    for answer in ("9^{9^{9^{9}}}", "{" * 500_000 + "}" * 500_000):
        with pytest.raises(WorkerFailure):
            await workers.call(WORKER_FUNCTION, [["x+1", answer]], timeout_seconds=0.3)
    assert await workers.call(WORKER_FUNCTION, [["x", "y"], ["x+1", "1+x"]]) == 1
