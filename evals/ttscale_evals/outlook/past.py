"""What earlier results of a run say about those that are still to come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from ttscale.types import Usage
from ttscale_evals.metrics import total_usage
from ttscale_evals.store import Result, ResultStore, RunDirectory

CellTitles: TypeAlias = tuple[str, str, str, str]
"""Of benchmark, strategy, model and budget."""
ModelOnBenchmark: TypeAlias = tuple[str, str]
"""Titles of benchmark and model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is recorded; empty where nothing is."""

    done: frozenset[str] = frozenset()
    """Keys with a result that is not to be done again."""
    of_cell: Mapping[CellTitles, Sequence[Usage]] = field(default_factory=dict[CellTitles, Sequence[Usage]])
    """What each problem done took."""
    sample_tokens: Mapping[ModelOnBenchmark, float] = field(default_factory=dict[ModelOnBenchmark, float])
    """Mean generated tokens of a sample."""
    tokens_per_second: float | None = None
    """Over all that was done."""


def read_past(out: Path | None) -> Past:
    """Read what a run's directory holds; a directory that is none, or not there, holds nothing.

    Raises:
        ConfigError: its store is broken.
    """
    directory = RunDirectory(out) if out is not None else None
    if directory is None or not directory.is_run:
        return Past()
    with ResultStore(directory.store_path) as store:
        titles = {cell.number: cell.identity for cell in directory.cells(store)}
        results = [result for result in store.results() if not result.is_failed]
        seconds = store.seconds_at_work()
    of_cell = defaultdict[CellTitles, list[Usage]](list)
    by_model = defaultdict[ModelOnBenchmark, list[Result]](list)
    for result in results:
        benchmark, strategy, model, budget = titles[result.cell]
        of_cell[benchmark, strategy, model, budget].append(result.outcome.usage)
        by_model[benchmark, model].append(result)
    tokens = total_usage(result.outcome.usage for result in results).tokens
    return Past(
        done=frozenset(result.key for result in results),
        of_cell=of_cell,
        sample_tokens={whose: _mean_length(members) for whose, members in by_model.items()},
        tokens_per_second=tokens / seconds if tokens and seconds else None,
    )


def _mean_length(results: Sequence[Result]) -> float:
    usage = total_usage(result.outcome.usage for result in results)
    return (usage.generated + usage.cancelled) / max(1, usage.calls)
