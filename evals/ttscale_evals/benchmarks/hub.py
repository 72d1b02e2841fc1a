"""The usual mathematics benchmarks, from the Hugging Face hub or a local copy of the same fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

from ttscale.answers import require_math_verify
from ttscale.errors import DataError, MissingExtra
from ttscale.records import Record, number_rows, read_records
from ttscale.types import Problem
from ttscale.workers import Workers
from ttscale_evals.benchmarks.base import Grade
from ttscale_evals.benchmarks.grading import grade_math
from ttscale_evals.benchmarks.questions import INSTRUCTION, Columns, to_problems


@dataclass(frozen=True, kw_only=True)
class HubBenchmark:
    """What the hub's benchmarks share; a subclass says where its rows are."""

    path: str | None = None
    """A local copy (a file, or a folder of files) to read in place of the hub."""
    revision: str | None = None
    """The hub repository's commit or tag; ``None``: the newest."""
    instruction: str = INSTRUCTION
    """Added to each question after a line break; empty for none."""
    seed: int | None = None
    """With a limit, which problems are drawn; ``None``: the first ones."""

    name: ClassVar[str]
    repository: ClassVar[str]
    configuration: ClassVar[str | None] = None
    split: ClassVar[str] = "test"

    def problems(self, *, limit: int | None = None, seed: int | None = None) -> Iterator[Problem]:
        """Yield the problems, in the data set's order.

        Raises:
            DataError: the local copy is broken (its line is named), or the hub cannot be reached.
            MissingExtra: math-verify or datasets is not installed.
        """
        require_math_verify()
        return to_problems(
            read_records(Path(self.path).expanduser(), split=self.split) if self.path else self._download(),
            name=self.name,
            columns=Columns(),
            instruction=self.instruction,
            limit=limit,
            seed=self.seed if seed is None else seed,
        )

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Grade by equivalence with the reference answer, in a worker process."""
        return await grade_math(problem, answer, workers)

    def _download(self) -> Iterator[Record]:
        try:
            import datasets
        except ImportError as error:
            raise MissingExtra("datasets", "evals") from error
        try:
            rows = datasets.load_dataset(
                self.repository, self.configuration, split=self.split, revision=self.revision
            )
        except Exception as error:  # connection, authentication, layout: each library below raises its own
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
            raise DataError(
                f"the benchmark {self.name!r} cannot be loaded from the hub ({self.repository}): {reason}. "
                f"Check the connection, or give a local copy: {self.name}:path=FILE."
            ) from error
        return number_rows(cast("Iterable[Mapping[str, object]]", rows), f"{self.repository} ({self.split})")


@dataclass(frozen=True, kw_only=True)
class Gsm8k(HubBenchmark):
    """GSM8K: 1,319 grade-school word problems with whole-number answers (arXiv:2110.14168)."""

    name = "gsm8k"
    repository = "openai/gsm8k"
    configuration = "main"


@dataclass(frozen=True, kw_only=True)
class Math500(HubBenchmark):
    """MATH-500: the 500 held-out competition problems of Lightman et al. 2023 (arXiv:2305.20050)."""

    name = "math500"
    repository = "HuggingFaceH4/MATH-500"


@dataclass(frozen=True, kw_only=True)
class Aime24(HubBenchmark):
    """AIME 2024, both papers: 30 problems whose answers are whole numbers from 0 to 999."""

    name = "aime24"
    repository = "HuggingFaceH4/aime_2024"
    split = "train"  # the repository has no other


@dataclass(frozen=True, kw_only=True)
class Aime25(HubBenchmark):
    """AIME 2025, both papers: 30 problems whose answers are whole numbers from 0 to 999."""

    name = "aime25"
    repository = "math-ai/aime25"


@dataclass(frozen=True, kw_only=True)
class Amc23(HubBenchmark):
    """AMC 12 of 2023, both papers: 40 problems without their choices, whose answers are numbers."""

    name = "amc23"
    repository = "math-ai/amc23"
