"""`reasoning_gym`: what does the problem's own checker say?"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, cast

from ttscale.errors import MissingExtra
from ttscale.types import JSON, Problem, Prompt, Sample, Score
from ttscale.verifier import Example
from ttscale_verifiers._grading import check_timeout, grade_samples

if TYPE_CHECKING:
    from ttscale.run import Run

WORKER_FUNCTION: Final = "ttscale_verifiers.reasoning_gym_worker:score_answer"
"""What workers run; give it to `Workers.warm` to have the first grade quick."""


@dataclass(frozen=True, kw_only=True)
class ReasoningGymVerifier:
    """Scores an answer with the checker of the reasoning-gym data set its problem is from.

    The problem carries its item: ``meta["reasoning_gym"] = {"dataset": name, "entry": {"question", "answer",
    "metadata"}}``, and ``"config"``, the data set's parameters, where the checker depends on them.

    The value is the checker's own, in [0, 1]. **Only 1.0 means correct**: most checkers give a wrong answer
    0.0 to 0.05, some give part of the credit for a part, or for the right answer in a wrong form. An answer
    that is not found in the sample gets 0, and so does one that the checker cannot read. A problem without an
    item gives no value, reason ``"no checker"``; a checker that breaks its limits gives none either, reason
    ``"timeout"`` or ``"grader crashed"``.

    `game_of_life_halting` cannot be scored: its checker (as of reasoning-gym 0.1.19) takes any answer for
    right. An integral left unsolved is right only where the reference answer leaves it unsolved too.

    Some checkers would evaluate the answer as Python code. Here they run in a worker process with hard limits
    on time and memory, with `eval` and sympy's parser replaced by ones that read literals and formulas only.

    Cost: no model calls; about a millisecond a sample in a worker, up to `timeout_seconds`.

    Where many answers are right, as in countdown, the checker can be given to a strategy as the reward that a
    program could compute; where it compares with the reference answer it is an oracle.

    Raises:
        ValueError: timeout_seconds <= 0.
        MissingExtra: reasoning-gym is not installed.
    """

    timeout_seconds: float = 5.0
    """Deadline of each check, > 0."""

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_timeout(self.timeout_seconds)
        if importlib.util.find_spec("reasoning_gym") is None:
            raise MissingExtra("reasoning-gym", "evals")

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        """Return the checker's value a sample, in [0, 1]; 1.0 is correct."""
        item = problem.meta.get("reasoning_gym")
        if not isinstance(item, Mapping) or not {"dataset", "entry"} <= item.keys():
            return [Score(value=None, reason="no checker") for _ in samples]
        dataset, entry, config = item["dataset"], item["entry"], item.get("config") or {}

        async def grade(answer: str) -> float:
            value = await run.workers.call(
                WORKER_FUNCTION, dataset, config, entry, answer, timeout_seconds=self.timeout_seconds
            )
            return cast("float", value)

        return await grade_samples(samples, grade)

    def examples(self) -> Sequence[Example]:
        """Return solutions of a countdown problem, and what is none."""
        question = "Calculate 309 using all of these numbers: 6, 61, 94, 4."
        metadata: JSON = {"numbers": [6, 61, 94, 4], "target": 309}
        entry: JSON = {"question": question, "answer": "94*4 - 6 - 61", "metadata": metadata}
        item: JSON = {"dataset": "countdown", "entry": entry}
        problem = Problem(id="countdown", prompt=Prompt.user(question), meta={"reasoning_gym": item})
        return (
            Example(problem=problem, text="\\boxed{94*4 - 6 - 61}", accepted=True),
            Example(problem=problem, text="\\boxed{4*94 - (61 + 6)}", accepted=True),
            Example(problem=problem, text="\\boxed{309}", accepted=False),
            Example(problem=problem, text="\\boxed{__import__('os').getpid()}", accepted=False),
            Example(problem=problem, text="It cannot be done.", accepted=False),
        )
