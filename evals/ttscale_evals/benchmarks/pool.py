"""A benchmark of recorded problems: those of a sample pool."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from ttscale.answers import require_math_verify
from ttscale.bank import Columns, open_pool, own_grades
from ttscale.errors import DataError
from ttscale.types import JSON, Problem
from ttscale.workers import Workers
from ttscale_evals.benchmarks.base import Benchmark, Grade
from ttscale_evals.benchmarks.create import create_benchmark
from ttscale_evals.benchmarks.grading import OWN_GRADES, grade_as_before, grade_math
from ttscale_evals.replay.pool import Recording, read_pool


@dataclass(frozen=True, kw_only=True)
class PoolBenchmark:
    """The problems of which a pool holds samples, graded by equivalence with the recorded target.

    A problem without a target is graded as somebody else's grader did, where samples brought its grades: an
    answer is right if most of the samples that gave it were. Run with ``model: replay:POOL``, strategies are
    compared on the recorded samples.
    """

    path: str
    """The pool: a sample bank, an export of one, or rows of somebody else's."""
    name: str | None = None
    """Of the benchmark in the pool; ``None``: the only one."""
    recorded: str | None = None
    """Of the model whose problems these are; ``None``: the only one."""
    original: str | None = None
    """The benchmark that was recorded, as in ``countdown:min_numbers=3``: its own checker grades. ``None``: the
    recorded target does, or the grades that the samples brought."""
    columns: Mapping[str, str] | None = None
    """Of somebody else's rows, from role to field, as ``{problem: qid, length: tokens}``."""
    seed: int | None = None
    """With a limit, which problems are drawn; ``None``: the first ones."""

    def problems(self, *, limit: int | None = None, seed: int | None = None) -> Sequence[Problem]:
        """Return the problems, in the pool's order.

        Raises:
            DataError: the pool is missing or broken (the line is named), or a problem cannot be graded.
            ConfigError: model or benchmark is unknown, or one must be chosen.
            MissingExtra: math-verify is not installed.
        """
        recording = read_pool(Path(self.path), self.columns).find(self.recorded, self.name)
        problems = self._with_targets(recording) if self._original is None else self._merged(recording)
        chosen = self.seed if seed is None else seed
        if limit is not None and chosen is not None and limit < len(problems):
            places = random.Random(chosen).sample(range(len(problems)), limit)
            return [problems[place] for place in sorted(places)]
        return problems[:limit]

    @cached_property
    def _original(self) -> Benchmark | None:
        return None if self.original is None else create_benchmark(self.original)

    def _with_targets(self, recording: Recording) -> Sequence[Problem]:
        """Return the recorded problems, those without a target with the grades that their answers brought."""
        untold = [problem for problem in recording.problems if problem.target is None]
        if len(untold) < len(recording.problems):
            require_math_verify()
        graded = self._graded(recording, untold) if untold else {}
        for problem in untold:
            if problem.id not in graded:
                raise DataError(
                    f"{self.path!r} has no target for the problem {problem.id!r}, nor samples with an answer "
                    f"and a grade, and grading needs targets or these; add them to the pool, or name the "
                    f"benchmark that was recorded, as original=BENCHMARK."
                )
        return [
            replace(problem, meta={**problem.meta, OWN_GRADES: graded[problem.id]})
            if problem.id in graded
            else problem
            for problem in recording.problems
        ]

    def _graded(self, recording: Recording, problems: Sequence[Problem]) -> Mapping[str, JSON]:
        """Return what the answers to these problems were graded, by problem, as plain JSON."""
        model = recording.model.fingerprint
        with open_pool(Path(self.path).expanduser(), columns=Columns.parse(self.columns or {})) as bank:
            grades = own_grades(bank, model)
            asked = {problem.id: bank.encoded(model, problem.prompt) or problem.prompt for problem in problems}
        return {
            name: {answer: asdict(grade) for answer, grade in grades[prompt].items()}
            for name, prompt in asked.items()
            if prompt in grades
        }

    def _merged(self, recording: Recording) -> Sequence[Problem]:
        """Return the recorded problems with what the original's checker needs to know of them."""
        assert self._original is not None
        originals = {problem.id: problem for problem in self._original.problems()}
        for problem in recording.problems:
            if problem.id not in originals:
                raise DataError(
                    f"{self.path!r} has the problem {problem.id!r}, which the benchmark {self.original!r} "
                    f"lacks; give it the parameters it was recorded with."
                )
        return [replace(originals[problem.id], prompt=problem.prompt) for problem in recording.problems]

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Grade as the original does, else by equivalence with the target: equal keys, or in a worker.

        Without either, as samples with this answer were graded elsewhere.
        """
        if self._original is not None:
            return await self._original.grade(problem, answer, workers)
        if problem.target is None:
            return grade_as_before(problem, answer)
        return await grade_math(problem, answer, workers)
