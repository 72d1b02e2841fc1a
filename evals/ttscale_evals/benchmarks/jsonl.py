"""A benchmark from a file of the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ttscale.answers import require_math_verify
from ttscale.records import read_records
from ttscale.types import Problem
from ttscale.workers import Workers
from ttscale_evals.benchmarks.base import Grade
from ttscale_evals.benchmarks.grading import grade_math
from ttscale_evals.benchmarks.questions import INSTRUCTION, Columns, to_problems


@dataclass(frozen=True, kw_only=True)
class JsonlBenchmark:
    """Questions and answers from a data file, one a line, graded by mathematical equivalence.

    Reads ``.jsonl``, ``.json`` (a list), ``.csv``, each also with ``.gz``, ``.parquet``, or a folder of these.
    """

    path: str
    """The file."""
    question: str | None = None
    """Field of the question; ``None``: one of the usual names (question, problem, prompt, input, query)."""
    answer: str | None = None
    """Field of the reference answer; ``None``: one of the usual names (answer, target, solution and so on)."""
    id: str | None = None
    """Field of the problem's id; ``None``: one of the usual names, else the row's number."""
    instruction: str = INSTRUCTION
    """Added to each question after a line break; empty for none."""
    seed: int | None = None
    """With a limit, which problems are drawn; ``None``: the first ones."""

    def problems(self, *, limit: int | None = None, seed: int | None = None) -> Iterator[Problem]:
        """Yield the file's problems, in its order.

        Raises:
            DataError: the file is missing or broken; the line is named.
            MissingExtra: math-verify is not installed.
        """
        require_math_verify()
        path = Path(self.path).expanduser()
        return to_problems(
            read_records(path),
            name=path.name.split(".")[0],
            columns=Columns(question=self.question, answer=self.answer, id=self.id),
            instruction=self.instruction,
            limit=limit,
            seed=self.seed if seed is None else seed,
        )

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Grade by equivalence with the reference answer, in a worker process."""
        return await grade_math(problem, answer, workers)
