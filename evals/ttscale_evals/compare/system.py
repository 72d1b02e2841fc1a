"""What is compared: a strategy with a model and a budget, on the problems of one benchmark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ttscale.types import JSON
from ttscale_evals.rows import Setting
from ttscale_evals.store import Result

SIZE: Final = "n"
"""The parameter that says how much a strategy spends: systems that differ in it are points of one curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The run that a system was read from."""

    directory: str
    model: str
    options: Mapping[str, object]
    """Further parameters of the model, its reasoning effort say."""
    budget: str
    """As in ``--budget``; empty: none."""
    seed: int
    """Of the sampling."""
    setting: Setting
    graders: Mapping[str, str]
    """Versions of the packages that judge answers, by name."""
    num_missing: int = 0
    """Problems that the run was to do and has not done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkKey:
    """A benchmark, whatever a run calls it."""

    title: str
    """What the run calls it."""
    name: str
    params: Mapping[str, JSON]
    """Without those that only say where the data lie: the problems themselves are held against each other."""

    def is_same(self, other: BenchmarkKey) -> bool:
        """Whether both have the same problems and grader, as far as their parameters say."""
        return self.name == other.name and self.params == other.params


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A strategy on a benchmark, as one run has it, or several that differ only in the seed of the sampling."""

    sources: tuple[Source, ...]
    """The runs, >= 1, each with a seed of its own."""
    benchmark: BenchmarkKey
    strategy: str
    """What the run calls it."""
    name: str
    """The strategy's."""
    params: Mapping[str, JSON]
    results: Mapping[str, Mapping[int, Result]]
    """By problem id, and by seed: of those that have the problem, >= 1."""
    label: str = ""
    """What tells it from the other systems, see `labelled`."""

    @property
    def source(self) -> Source:
        """The first of the runs: all of them are alike but for directory, seed and what is missing."""
        return self.sources[0]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the sampling."""
        return tuple(source.seed for source in self.sources)

    @property
    def directories(self) -> tuple[str, ...]:
        """Of the runs."""
        return tuple(source.directory for source in self.sources)

    def answers(self, problem: str) -> list[Result]:
        """Return what came of a problem, once for each seed that has it."""
        return list(self.results[problem].values())

    @property
    def is_plain(self) -> bool:
        """Whether it is a plain baseline: a single sample, or the majority of several."""
        if self.name == "single":
            return True
        is_majority = self.params.get("rule", "majority") == "majority"
        return self.name == "self_consistency" and is_majority and self.params.get("stop") != "consistent"

    @property
    def size(self) -> float:
        """How many samples a problem it is to draw; infinite where it does not say."""
        given = 1 if self.name == "single" else self.params.get(SIZE)
        return float(given) if isinstance(given, int | float) else float("inf")


def labelled(systems: Sequence[System]) -> list[System]:
    """Return the systems with labels: the strategy, and of model, budget and run what is needed.

    Systems of different benchmarks may have the same label: it is the same strategy on both.
    """
    sources = [system.source for system in systems]
    has_models, has_budgets = len({s.model for s in sources}) > 1, len({s.budget for s in sources}) > 1
    first = list[str]()
    for system in systems:
        more = [system.source.model] if has_models else []
        more += [system.source.budget or "no budget"] if has_budgets else []
        first.append(" · ".join([system.strategy, *more]))
    keys = [
        (label, system.benchmark.name, str(system.benchmark.params))
        for label, system in zip(first, systems, strict=True)
    ]
    twice = {label for (label, *_), times in Counter(keys).items() if times > 1}
    return [
        replace(system, label=f"{label} · {', '.join(system.directories)}" if label in twice else label)
        for label, system in zip(first, systems, strict=True)
    ]
