"""ParallelQA: questions whose facts can be looked up side by side before they are put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from ttscale.records import Record
from ttscale.tools.calculator import Calculator
from ttscale.types import Problem, Prompt
from ttscale.workers import Workers
from ttscale_evals.benchmarks.agents.corpus import WithCorpus
from ttscale_evals.benchmarks.agents.files import final_answer, row_of, text_grade
from ttscale_evals.benchmarks.base import Attempt, Grade
from ttscale_evals.metrics.numeric import within_tolerance
from ttscale_evals.metrics.texts import exact_match


class _Row(TypedDict):
    id: str
    question: str
    answer: str
    branch: int


_ROWS: Final = TypeAdapter(_Row)


@dataclass(frozen=True, kw_only=True)
class ParallelQa(WithCorpus):
    """113 questions with 2 to 5 branches of look-ups and sums (LLMCompiler, arXiv 2312.04511; MIT).

    A numeric answer is right within a tenth of the reference, another one by normalised exact match. The file
    is ``datasets/parallelqa_dataset.json`` in LLMCompiler's repository. It holds no facts: what `search` finds
    comes from a corpus of the user's, see `corpus_path`; the calculator is there without one.
    """

    tolerance: float = 0.1
    """Of numeric answers, as a share of the reference, >= 0."""

    name = "parallelqa"

    def __post_init__(self) -> None:
        if self.tolerance < 0:
            raise ValueError(f"tolerance must be >= 0, got {self.tolerance!r}")

    def make(self, record: Record, number: int) -> Problem:
        """Return the problem of a row."""
        del number
        row = row_of(record, _ROWS)
        return Problem(
            id=row["id"],
            prompt=Prompt.user(self.asked(row["question"])),
            target=row["answer"],
            meta={"question": row["question"], "branch": row["branch"]},
        )

    def attempt(self, problem: Problem) -> Attempt:
        """Begin one try, with a calculator and, where there is a corpus, a search."""
        return Attempt(tools=(*super().attempt(problem).tools, Calculator()))

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Grade a number by its distance, another answer by normalised exact match."""
        del workers
        return near_grade(answer, problem.target or "", tolerance=self.tolerance)


def near_grade(answer: str | None, target: str, *, tolerance: float) -> Grade:
    """Return the grade by distance where the target is a number, else by normalised exact match."""
    text = final_answer(answer)
    is_near = within_tolerance(text, target, tolerance)
    is_right = exact_match(text, target) if is_near is None else is_near
    return text_grade(answer, correct=is_right, value=float(is_right))
