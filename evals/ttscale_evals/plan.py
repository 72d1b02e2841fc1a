"""From a config to everything a run needs, built and checked before anything is spent.

Cells are numbered benchmark by benchmark, within one model by model, budget by budget, strategy by strategy.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import cast

from ttscale.budget import Budget
from ttscale.errors import ConfigError, PluginError
from ttscale.registry import Spec, create_strategy, describe, load
from ttscale.strategy import Strategy
from ttscale.types import JSON, Problem
from ttscale_evals.benchmarks import Benchmark, create_benchmark
from ttscale_evals.config import EvalConfig, ModelConfig, PluginConfig, plain_budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One strategy on one benchmark, with one model and budget: a row of the leaderboard to be."""

    number: int
    """From 0, in the order of the leaderboard's sections."""
    benchmark_title: str
    strategy_title: str
    model: ModelConfig
    budget: Budget | None
    """Of a problem."""
    benchmark: Benchmark
    strategy: Strategy
    problems: Sequence[Problem]
    keys: Sequence[str]
    """One a problem: the hash of everything that determines its result."""

    @property
    def fingerprint(self) -> str:
        """A hash of all keys."""
        return fingerprint(list(self.keys))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A resolved config and its cells, benchmark by benchmark."""

    config: EvalConfig
    """With every parameter written out, so that later defaults change nothing."""
    cells: Sequence[Cell]

    def of_model(self, model: ModelConfig) -> Sequence[Cell]:
        """Return the cells of one of the config's models."""
        return [cell for cell in self.cells if cell.model == model]


def fingerprint(document: JSON) -> str:
    """Return a hash of a JSON document, the same for equal documents in every process."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def make_plan(config: EvalConfig) -> Plan:
    """Build every benchmark and strategy and load every problem; blocks while it does.

    Raises:
        ConfigError: a name, parameter or data file is wrong, or a benchmark has no problems.
    """
    strategies = [(entry, _create_strategy(entry, config.sampling)) for entry in config.strategies]
    _check_sampling_used(config, [strategy for _, strategy in strategies])
    benchmarks = [(entry, create_benchmark(_absolute(entry.spec))) for entry in config.benchmarks]
    resolved = config.model_copy(
        update={
            "benchmarks": tuple(_resolved(entry, made) for entry, made in benchmarks),
            "strategies": tuple(_resolved(entry, made) for entry, made in strategies),
            "sampling": {},
            "prices": _absolute_path(config.prices),
            "replay": _absolute_path(config.replay),
            "out": None,
        }
    )
    loaded = [_load(entry, benchmark, config.limit) for entry, benchmark in benchmarks]
    benchmark_count, strategy_count = range(len(benchmarks)), range(len(strategies))
    cells = [
        Cell(
            number=number,
            benchmark_title=resolved.benchmarks[which].title,
            strategy_title=resolved.strategies[how].title,
            model=model,
            budget=budget,
            benchmark=benchmarks[which][1],
            strategy=strategies[how][1],
            problems=loaded[which],
            keys=_keys(resolved, (which, model, budget, how), loaded[which]),
        )
        for number, (which, model, budget, how) in enumerate(
            product(benchmark_count, resolved.models, resolved.budgets, strategy_count)
        )
    ]
    _check_distinct(cells)
    return Plan(config=resolved, cells=cells)


def _check_distinct(cells: Sequence[Cell]) -> None:
    """Find out whether two rows would be the same under different labels.

    Raises:
        ConfigError: they would.
    """
    known = dict[str, Cell]()
    for cell in cells:
        other = known.setdefault(cell.fingerprint, cell)
        if other is not cell:
            titles = (
                (other.benchmark_title, cell.benchmark_title),
                (other.strategy_title, cell.strategy_title),
                (other.model.title, cell.model.title),
            )
            one, two = next((pair for pair in titles if pair[0] != pair[1]), titles[0])
            raise ConfigError(f"{one!r} and {two!r} are the same under two labels; leave one out.")


def _create_strategy(entry: PluginConfig, sampling: Mapping[str, object]) -> Strategy:
    known = {f.name for f in fields(load("strategies", entry.name)) if f.init}
    inherited = {name: value for name, value in sampling.items() if name in known}
    return create_strategy(Spec(entry.name, cast("Mapping[str, JSON]", {**inherited, **entry.params})))


def _check_sampling_used(config: EvalConfig, strategies: Sequence[Strategy]) -> None:
    for name in config.sampling:
        if not any(hasattr(strategy, name) for strategy in strategies):
            titles = ", ".join(entry.title for entry in config.strategies)
            raise ConfigError(
                f"sampling: none of the strategies ({titles}) has a parameter {name!r}; leave it out."
            )


def _absolute_path(path: str | None) -> str | None:
    return None if path is None else str(Path(path).expanduser().absolute())


def _absolute(spec: Spec) -> Spec:
    """Return the spec with the paths of data files made absolute: a run can be repeated from anywhere."""
    paths: dict[str, JSON] = {
        name: _absolute_path(value)
        for name, value in spec.params.items()
        if isinstance(value, str) and (name == "path" or name.endswith("_path"))
    }
    return Spec(spec.name, {**spec.params, **paths})


def _resolved(entry: PluginConfig, made: Benchmark | Strategy) -> PluginConfig:
    try:
        spec = describe(made)
    except PluginError:  # a plugin built by hand keeps the parameters it was given
        spec = entry.spec
    return PluginConfig(name=spec.name, params=dict(spec.params), label=entry.title)


def _load(entry: PluginConfig, benchmark: Benchmark, limit: int | None) -> Sequence[Problem]:
    problems = tuple(benchmark.problems(limit=limit))[:limit]
    if not problems:
        raise ConfigError(f"the benchmark {entry.title!r} has no problems; check its parameters.")
    (problem_id, count), *_ = Counter(problem.id for problem in problems).most_common(1)
    if count > 1:
        raise PluginError(f"the benchmark {entry.title!r} gives {count} problems the id {problem_id!r}")
    return problems


def _keys(
    config: EvalConfig, place: tuple[int, ModelConfig, Budget | None, int], problems: Sequence[Problem]
) -> Sequence[str]:
    """Return the keys of a cell's problems; whatever else the config lists has no part in them."""
    benchmark, model, budget, strategy = place
    common: dict[str, JSON] = {
        "model": model.model,
        "model_options": dict(model.backend_options),
        "seed": config.seed,
        "budget": cast("JSON", plain_budget(budget)),
        "benchmark": _without_label(config.benchmarks[benchmark]),
        "strategy": _without_label(config.strategies[strategy]),
    }
    if config.replay is not None:
        common["replay"] = config.replay
    return [fingerprint({**common, "problem": _plain_problem(problem)}) for problem in problems]


def _without_label(entry: PluginConfig) -> JSON:
    return {"name": entry.name, "params": cast("Mapping[str, JSON]", entry.params)}


def _plain_problem(problem: Problem) -> JSON:
    prompt = problem.prompt
    return {
        "id": problem.id,
        "messages": [[message.role, message.content] for message in prompt.messages],
        "text": prompt.text,
        "token_ids": list(prompt.token_ids) if prompt.token_ids is not None else None,
        "target": problem.target,
        "meta": problem.meta,
    }
