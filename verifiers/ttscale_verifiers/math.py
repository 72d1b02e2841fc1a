"""`math`: is the answer mathematically the reference answer?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ttscale.answers import equivalent, require_math_verify
from ttscale.types import Problem, Prompt, Sample, Score
from ttscale.verifier import Example
from ttscale_verifiers._grading import check_timeout, grade_samples

if TYPE_CHECKING:
    from ttscale.run import Run


@dataclass(frozen=True, kw_only=True)
class MathVerifier:
    """Compares the answer with `Problem.target`: 1 for the same, 0 for another or none.

    Numbers are compared exactly, formulas by math-verify (Hugging Face, version 0.8 or later) in a worker
    process with hard limits on time and memory, the reference always given first. A comparison that breaks a
    limit gives no value, reason ``"timeout"`` or ``"grader crashed"``: count those apart from wrong answers.

    Cost: no model calls; microseconds a sample where numbers or words are compared, else some 10 ms in a
    worker, and up to `timeout_seconds`.

    An oracle, for evaluation and for upper bounds: it reads the reference answer.

    Raises:
        ValueError: timeout_seconds <= 0.
        MissingExtra: math-verify is not installed.
    """

    timeout_seconds: float = 5.0
    """Deadline of each comparison, > 0."""

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_timeout(self.timeout_seconds)
        require_math_verify()

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        """Return 1.0 or 0.0 a sample; no value without a target, of a failed sample, or if it took too long."""
        target = problem.target
        if target is None:
            return [Score(value=None, reason="no target") for _ in samples]

        async def grade(answer: str) -> float:
            is_same = await equivalent(run.workers, target, answer, timeout_seconds=self.timeout_seconds)
            return float(is_same)

        return await grade_samples(samples, grade)

    def examples(self) -> Sequence[Example]:
        """Return answers in other forms, and wrong ones."""
        half = Problem(id="half", prompt=Prompt.user("What is 2/4?"), target="\\frac{1}{2}")
        root = Problem(id="root", prompt=Prompt.user("Simplify the root of 8."), target="2\\sqrt{2}")
        return (
            Example(problem=half, text="It is \\boxed{0.5}.", accepted=True),
            Example(problem=half, text="#### 2/4", accepted=True),
            Example(problem=half, text="It is \\boxed{2}.", accepted=False),
            Example(problem=half, text="I do not know.", accepted=False),
            Example(problem=root, text="\\boxed{\\sqrt{8}}", accepted=True),
            Example(problem=root, text="\\boxed{\\sqrt{2}}", accepted=False),
        )
