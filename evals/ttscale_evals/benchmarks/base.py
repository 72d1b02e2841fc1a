"""The benchmark contract: problems, and a grade for each answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from ttscale.types import Problem
from ttscale.workers import Workers

if TYPE_CHECKING:
    from ttscale.tools import Tool

NO_ANSWER: Final = "no answer"
"""Reason of a grade where there was nothing to grade."""

TIMEOUT: Final = "timeout"
"""Reason of a grade where the grader did not finish in time."""

GRADER_FAILED: Final = "grader failed"
"""How the reason of a grade begins where the grader broke."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """What a benchmark thinks of an answer."""

    correct: bool
    value: float | None
    """The checker's own score, mostly in [0, 1]; ``None`` when it could not tell."""
    reason: str = ""
    """Why it is not a plain right or wrong: `NO_ANSWER`, `TIMEOUT`, or begins with `GRADER_FAILED`."""
    measures: Mapping[str, float] = field(default_factory=dict[str, float])
    """What else the benchmark measures of the answer, by name: a row has the means."""

    @property
    def is_judged(self) -> bool:
        """Whether the answer, or that there is none, was judged: the grader was not late and did not break."""
        return self.reason != TIMEOUT and not self.reason.startswith(GRADER_FAILED)


@runtime_checkable
class Benchmark(Protocol):
    """A set of problems with its grader.

    A benchmark is a frozen keyword-only dataclass, like a strategy: its fields are its parameters. Registered
    under a name, ``ttscale eval --benchmark NAME:field=value`` builds it.
    """

    def problems(self, *, limit: int | None = None, seed: int | None = None) -> Iterable[Problem]:
        """Return the problems, each with an id of its own; the same arguments give the same problems.

        Args:
            limit: at most so many.
            seed: of the data, in place of the benchmark's own; it has nothing to do with how answers are
                sampled.

        Raises:
            ConfigError: they cannot be had; the message says what to mend.
        """
        ...

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Grade a strategy's answer; never raises for what a model may have written.

        Args:
            problem: one of `problems`.
            answer: as in `Outcome.answer`.
            workers: separate processes for checkers that may hang or eat memory.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a problem, in a world of its own: the tools that act on it, and a grade that looks at it.

    The world is one: a strategy that tries a problem several times acts in it several times, as it would
    outside, and is graded by what has come of everything it did.
    """

    tools: Sequence[Tool] = ()
    grade: Callable[[str | None, Workers], Awaitable[Grade]] | None = None
    """Grades an answer together with what the tools did; ``None``: the answer says it all, the benchmark's own
    `grade` does."""


@runtime_checkable
class AgentBenchmark(Benchmark, Protocol):
    """A benchmark whose problems come with tools: strategies that were given none find them in `Run.tools`.

    Where the meta of a problem has `optimum_seconds`, the least makespan of the calls that it needs, rows tell
    of the `makespan_regret`.
    """

    def attempt(self, problem: Problem) -> Attempt:
        """Begin one try at a problem; each gets a fresh world.

        Args:
            problem: one of `problems`.
        """
        ...


def attempt_at(benchmark: Benchmark, problem: Problem) -> Attempt:
    """Begin one try at a problem of any benchmark; most have no tools."""
    return benchmark.attempt(problem) if isinstance(benchmark, AgentBenchmark) else Attempt()
