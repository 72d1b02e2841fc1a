"""HotpotQA, its comparison questions, as LLMCompiler uses them."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from ttscale.records import Record
from ttscale.types import Problem, Prompt
from ttscale.workers import Workers
from ttscale_evals.benchmarks.agents.corpus import WithCorpus
from ttscale_evals.benchmarks.agents.files import final_answer, row_of, text_grade
from ttscale_evals.benchmarks.base import Grade
from ttscale_evals.metrics.texts import exact_match, word_f1


class _Row(TypedDict):
    id: str
    question: str
    answer: str


_ROWS = TypeAdapter(_Row)


@dataclass(frozen=True, kw_only=True)
class HotpotQaComparison(WithCorpus):
    """1,487 questions that compare two things, graded by normalised exact match; `f1` is measured beside it.

    Yang et al. 2018, arXiv 1809.09600 (CC BY-SA 4.0); the selection is that of LLMCompiler, arXiv 2312.04511,
    ``datasets/hotpotqa_comparison.json`` in its repository.
    """

    name = "hotpotqa_comparison"

    def make(self, record: Record, number: int) -> Problem:
        """Return the problem of a row."""
        del number
        row = row_of(record, _ROWS)
        prompt = Prompt.user(self.asked(row["question"]))
        return Problem(id=row["id"], prompt=prompt, target=row["answer"], meta={"question": row["question"]})

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Grade by normalised exact match; the value is the F1 of words."""
        del workers
        text, target = final_answer(answer), problem.target or ""
        f1 = word_f1(text, target)
        return text_grade(answer, correct=exact_match(text, target), value=f1, measures={"f1": f1})
