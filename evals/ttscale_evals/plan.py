"""From a config to everything a run needs, built and checked before anything is spent."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import cast

from ttscale.errors import ConfigError, PluginError
from ttscale.registry import Spec, create_strategy, describe, load
from ttscale.strategy import Strategy
from ttscale.types import JSON, Problem
from ttscale_evals.benchmarks import Benchmark, create_benchmark
from ttscale_evals.config import EvalConfig, PluginConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One strategy on one benchmark: a row of the leaderboard to be."""

    number: int
    """From 0, in the order of work."""
    benchmark_title: str
    strategy_title: str
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

    @property
    def num_results(self) -> int:
        """How many results the finished run will have."""
        return sum(len(cell.problems) for cell in self.cells)


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
            "prices": None if config.prices is None else str(Path(config.prices).expanduser().absolute()),
            "out": None,
        }
    )
    cells = list[Cell]()
    for benchmark_entry, benchmark in benchmarks:
        problems = _load(benchmark_entry, benchmark, config.limit)
        for strategy_entry, strategy in strategies:
            number = len(cells)
            where = (number // len(strategies), number % len(strategies))
            cells.append(
                Cell(
                    number=number,
                    benchmark_title=benchmark_entry.title,
                    strategy_title=strategy_entry.title,
                    benchmark=benchmark,
                    strategy=strategy,
                    problems=problems,
                    keys=_keys(resolved, *where, problems),
                )
            )
    return Plan(config=resolved, cells=cells)


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


def _absolute(spec: Spec) -> Spec:
    """Return the spec with the path of a data file made absolute: a run can be repeated from anywhere."""
    path = spec.params.get("path")
    if not isinstance(path, str):
        return spec
    return Spec(spec.name, {**spec.params, "path": str(Path(path).expanduser().absolute())})


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


def _keys(config: EvalConfig, benchmark: int, strategy: int, problems: Sequence[Problem]) -> Sequence[str]:
    plain = config.plain()
    common: dict[str, JSON] = {name: plain[name] for name in ("model", "model_options", "seed", "budget")}
    common["benchmark"] = _without_label(config.benchmarks[benchmark])
    common["strategy"] = _without_label(config.strategies[strategy])
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
