"""Comparing strategies on a pool: every run, and one document of all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from ttscale import __version__
from ttscale.errors import ConfigError
from ttscale.types import JSON
from ttscale_evals.progress import ProgressListener
from ttscale_evals.replay.expand import Comparison, Expanded, Expansion, LeftOut, expand
from ttscale_evals.replay.totals import totals
from ttscale_evals.result import EvalResult, Failure
from ttscale_evals.rows import Row, known_of
from ttscale_evals.runner import evaluate
from ttscale_evals.store import RunDirectory

FILE_NAME: Final = "comparison.json"

OnRun = Callable[[Expansion, int, int], AbstractContextManager[ProgressListener | None]]
"""Lends a progress listener for a run, the how-manieth it is of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a comparison has come to."""

    comparison: Comparison
    out: Path
    results: Sequence[EvalResult]
    left_out: Sequence[LeftOut]
    notes: Sequence[str]

    @property
    def rows(self) -> list[Row]:
        """The rows of all runs."""
        return [row for result in self.results for row in result.rows]

    @property
    def failures(self) -> list[Failure]:
        """What was not brought to an end, in all runs."""
        return [failure for result in self.results for failure in result.failures]

    @property
    def not_judged(self) -> list[Failure]:
        """Answers that the grader was late for or broke on, in all runs."""
        return [failure for result in self.results for failure in result.not_judged]

    def to_json(self) -> dict[str, JSON]:
        """Return the document of ``ttscale eval --replay --json``."""
        return {
            "version": __version__,
            "pool": str(self.comparison.pool.absolute()),
            "orders": self.comparison.orders,
            "seed": self.results[0].config.seed if self.results else 0,
            "out": str(self.out),
            "run_dirs": [str(result.run_dir) for result in self.results],
            "is_complete": all(row.is_complete for row in self.rows),
            "how_known": known_of(self.rows),
            "rows": [row.to_json() for row in self.rows],
            "totals": [total.to_json() for total in totals(self.rows)],
            "left_out": [asdict(one) for one in self.left_out],
            "notes": list(self.notes),
            "failures": [asdict(failure) for failure in self.failures],
            "not_judged": [asdict(failure) for failure in self.not_judged],
        }


def plan_comparison(comparison: Comparison, out: Path, *, resume: bool = False) -> Expanded:
    """Return the runs of a comparison, after everything that can be found wrong before they begin.

    Raises:
        ConfigError: as `expand`, or a run's directory is taken.
    """
    expanded = expand(comparison)
    if len(expanded.expansions) > 1 and RunDirectory(out).is_run:
        raise ConfigError(f"{str(out)!r} holds a run of another kind; choose another --out.")
    for expansion in expanded.expansions:
        RunDirectory(directory_of(expansion, expanded, out)).check(expansion.resolved, resume=resume)
    return expanded


def directory_of(expansion: Expansion, expanded: Expanded, out: Path) -> Path:
    """Return a run's directory: a folder of its own where there are several runs."""
    return out / expansion.name if len(expanded.expansions) > 1 else out


def run_comparison(
    comparison: Comparison, expanded: Expanded, out: Path, *, on_run: OnRun, resume: bool = False
) -> Compared:
    """Do all runs, in virtual time, and write ``comparison.json``.

    Args:
        comparison: what was asked for.
        expanded: by `plan_comparison`.
        out: where everything goes.
        on_run: called as each run begins.
        resume: go on with the runs that are there.

    Raises:
        ConfigError: as `run_eval`.
    """
    results = list[EvalResult]()
    for number, expansion in enumerate(expanded.expansions, start=1):
        directory = directory_of(expansion, expanded, out)
        with on_run(expansion, number, len(expanded.expansions)) as listener:
            results.append(evaluate(expansion.config, out=directory, resume=resume, progress=listener))
    compared = Compared(
        comparison=comparison,
        out=out,
        results=results,
        left_out=expanded.left_out,
        notes=[note for expansion in expanded.expansions for note in expansion.notes],
    )
    text = json.dumps(compared.to_json(), indent=2, ensure_ascii=False) + "\n"
    RunDirectory(out).write(FILE_NAME, [text])
    return compared
