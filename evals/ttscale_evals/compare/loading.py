"""From run directories to systems; what cannot be read is named and left out."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ttscale.budget.prices import PriceFile
from ttscale.cli.console import one_line
from ttscale.errors import ConfigError, TTScaleError, UnknownPrice
from ttscale.registry import Spec
from ttscale.types import JSON
from ttscale_evals.compare.system import BenchmarkKey, Source, System, labelled
from ttscale_evals.config import EvalConfig, PluginConfig
from ttscale_evals.pricing import Circumstances
from ttscale_evals.replay.trials import FILE_NAME, Refusal, TrialStore
from ttscale_evals.store import Result, ResultStore, RunDirectory, StoredCell

_WHERE: Final = ("path", "columns", "recorded")
"""Parameters of benchmarks that say where the problems lie, and not which they are."""
_GRADERS: Final = ("math-verify", "reasoning-gym")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A run or system that is in no comparison."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the directories hold."""

    systems: Sequence[System]
    unreadable: Sequence[LeftOut]
    """Runs whose store or config is broken."""
    left_out: Sequence[LeftOut]
    """Systems of readable runs without results to compare."""


def load_runs(directories: Sequence[Path], *, prices: PriceFile | None = None) -> Loaded:
    """Read runs, finished or not.

    Args:
        directories: of the runs.
        prices: what dollars are by, in place of the prices that the runs were made with.

    Raises:
        ConfigError: a directory is no run or is given twice, nothing can be read of any, or the price file
            lacks a model.
    """
    _check_paths(directories)
    systems, unreadable, left_out = list[System](), list[LeftOut](), list[LeftOut]()
    for path in directories:
        try:
            found, refused = _load_run(path, prices)
        except UnknownPrice:
            raise
        except (TTScaleError, sqlite3.Error, OSError, ValueError, TypeError, KeyError) as error:
            unreadable.append(LeftOut(what=str(path), why=_reason(error)))
        else:
            systems += found
            left_out += refused
    if not systems:
        problems = [f"{entry.what!r}: {entry.why}" for entry in [*unreadable, *left_out]]
        raise ConfigError("; ".join(["there is nothing to compare", *problems])[:2000].rstrip(".") + ".")
    return Loaded(systems=labelled(systems), unreadable=unreadable, left_out=left_out)


def _check_paths(directories: Sequence[Path]) -> None:
    resolved = [path.resolve() for path in directories]
    for number, path in enumerate(directories):
        if resolved.index(resolved[number]) != number:
            raise ConfigError(f"the run {str(path)!r} is given twice; name each run once.")
        if not RunDirectory(path).is_run:
            raise ConfigError(f"{str(path)!r} is not a run directory (config.yaml is missing); check the path.")


def _reason(error: Exception) -> str:
    return one_line(str(error) if isinstance(error, TTScaleError) else f"its store is broken ({error})")


def _load_run(path: Path, prices: PriceFile | None) -> tuple[list[System], list[LeftOut]]:
    directory = RunDirectory(path)
    config = directory.config()
    circumstances = Circumstances.of(directory, config, prices)
    graders, options = _graders(directory.about()), {model.title: model.options for model in config.models}
    refusals = _refusals(path)
    systems, left_out = list[System](), list[LeftOut]()
    with ResultStore(directory.store_path) as store:
        for cell in directory.cells(store):
            results = circumstances.priced(store.results(cell.number), model=cell.model)
            source = Source(
                directory=str(path),
                model=cell.model,
                options=options.get(cell.model, {}),
                budget=cell.budget,
                seed=config.seed,
                setting=circumstances.setting,
                graders=graders,
                num_missing=cell.num_problems - len(results),
            )
            system = _system(cell, results, config, source)
            what = f"{cell.strategy} on {cell.benchmark} in {path}"
            if cell.number in refusals:
                left_out.append(LeftOut(what=what, why=refusals[cell.number].reason))
            elif not system.results:
                left_out.append(LeftOut(what=what, why="none of its problems is done yet"))
            else:
                systems.append(system)
    return systems, left_out


def _system(cell: StoredCell, results: Sequence[Result], config: EvalConfig, source: Source) -> System:
    strategy, benchmark = _entry(config.strategies, cell.strategy), _entry(config.benchmarks, cell.benchmark)
    params = {name: value for name, value in benchmark.params.items() if name not in _WHERE}
    return System(
        sources=(source,),
        benchmark=BenchmarkKey(title=cell.benchmark, name=benchmark.name, params=params),
        strategy=cell.strategy,
        name=strategy.name,
        params=strategy.params,
        results={result.problem_id: {source.seed: result} for result in results},
    )


def _entry(entries: Sequence[PluginConfig], title: str) -> Spec:
    found = next((entry for entry in entries if entry.title == title), None)
    if found is None:
        raise ConfigError(f"its config does not name {title!r}, which its store has")
    return found.spec


def _graders(about: Mapping[str, JSON]) -> Mapping[str, str]:
    """Return the versions of what judges answers, as far as the run wrote them down."""
    packages = about.get("packages")
    if not isinstance(packages, Mapping):
        return {}
    return {name: str(packages[name]) for name in _GRADERS if name in packages}


def _refusals(path: Path) -> Mapping[int, Refusal]:
    if not (path / FILE_NAME).is_file():
        return {}
    with TrialStore(path) as trials:
        return trials.refusals()
