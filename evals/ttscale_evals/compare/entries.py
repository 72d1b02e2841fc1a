"""A system as a row of the leaderboard, on the problems that are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isnan
from statistics import fmean

from ttscale.types import JSON, Outcome
from ttscale_evals.compare.axes import AXES, AxisName
from ttscale_evals.compare.groups import Group
from ttscale_evals.compare.means import Measurements, mean_cost, samples_of
from ttscale_evals.compare.system import System
from ttscale_evals.rows import Row, make_row
from ttscale_evals.stats import honest_accuracy, mean_and_stderr
from ttscale_evals.store import StoredCell


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A system and its row of the leaderboard, on the problems that are compared."""

    label: str
    run_dirs: tuple[str, ...]
    """Of the runs, one a seed."""
    budget: str
    """As in ``--budget``; empty: none."""
    seeds: tuple[int, ...]
    """Of the sampling."""
    is_plain: bool
    """Whether it is a plain baseline."""
    accuracy_stderr: float | None
    """Over problems, each with its mean over seeds; ``None`` of a single problem."""
    row: Row
    """With several seeds totals and counts are over the answers of all of them, accuracy and what is of a
    problem over the problems' means."""

    @property
    def run_dir(self) -> str:
        """Of the first run."""
        return self.run_dirs[0]

    def to_json(self) -> dict[str, JSON]:
        """Return the row with what tells the system from others."""
        is_single = len(self.seeds) == 1
        about: dict[str, JSON] = {
            "label": self.label,
            "run_dir": self.run_dir if is_single else None,
            "run_dirs": list(self.run_dirs),
            "budget": self.budget or None,
            "seed": self.seeds[0] if is_single else None,
            "seeds": list(self.seeds),
            "num_seeds": len(self.seeds),
            "is_plain_baseline": self.is_plain,
            "accuracy_stderr": self.accuracy_stderr,
        }
        # What a comparison does not look at would be a misleading 0 here.
        return about | {name: v for name, v in self.row.to_json().items() if name != "wall_seconds"}


def make_entry(group: Group, measured: Measurements, place: int) -> Entry:
    """Return the row of one system of a group.

    Args:
        group: what is compared.
        measured: what its systems came to.
        place: of the system in the group.
    """
    system = group.systems[place]
    results = [answer for problem in group.problem_ids for answer in system.answers(problem)]
    cell = StoredCell(
        number=0,
        benchmark=group.benchmark,
        strategy=system.strategy,
        num_problems=len(results) + sum(source.num_missing for source in system.sources),
        fingerprint="",
        budget=system.source.budget,
    )
    setting = system.source.setting
    row = make_row(cell, results, model=system.source.model, wall_seconds=0.0, setting=setting)
    return Entry(
        label=system.label,
        run_dirs=system.directories,
        budget=system.source.budget,
        seeds=system.seeds,
        is_plain=system.is_plain,
        accuracy_stderr=mean_and_stderr(measured.correct[:, place].tolist())[1],
        row=row if len(system.seeds) == 1 else _by_problem(row, group, measured, place),
    )


def _by_problem(row: Row, group: Group, measured: Measurements, place: int) -> Row:
    """Return the row of all seeds' answers with every mean taken over the means of problems."""
    system, problems = group.systems[place], group.problem_ids
    honest, interval = honest_accuracy(samples_of(system, problems)), measured.accuracy_interval(place)

    def of_axis(name: AxisName) -> float | None:
        return _mean(system, problems, AXES[name].of)

    return replace(
        row,
        num_problems=len(problems),
        accuracy=honest.errors_as_wrong,
        accuracy_low=interval.low,
        accuracy_high=interval.high,
        accuracy_errors_excluded=honest.errors_excluded if row.errors else None,
        accuracy_supportable_low=honest.supportable.low if row.errors else None,
        accuracy_supportable_high=honest.supportable.high if row.errors else None,
        tokens_per_problem=of_axis("tokens"),
        critical_path_tokens_per_problem=of_axis("critical_path"),
        critical_path_seconds_per_problem=of_axis("critical_path_seconds"),
        work_seconds_per_problem=of_axis("work_seconds"),
        kv_token_steps_per_problem=of_axis("kv_token_steps"),
        distinct_kv_token_steps_per_problem=of_axis("distinct_kv_token_steps"),
        samples_per_problem=_mean(system, problems, lambda outcome: outcome.usage.calls),
    )


def _mean(system: System, problems: Sequence[str], of: Callable[[Outcome], float | None]) -> float | None:
    costs = [mean_cost(of, system.answers(problem)) for problem in problems]
    return None if any(map(isnan, costs)) else fmean(costs)
