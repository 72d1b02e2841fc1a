"""Building a benchmark from its name and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from ttscale.errors import MissingExtra, PluginError, UnknownPlugin
from ttscale.registry import Spec, create, names
from ttscale.types import JSON
from ttscale_evals.benchmarks.base import Benchmark

_REASONING_GYM = "reasoning_gym"


def create_benchmark(spec: str | Spec) -> Benchmark:
    """Build a benchmark from its spec, ``"gsm8k:path=test.jsonl"`` say.

    Every reasoning-gym set is a benchmark of its own name: ``"countdown:min_numbers=4"``. Parameters that are
    not the benchmark's own (`size`, `seed`, `instruction`) go to the set.

    Raises:
        UnknownPlugin: there is no such benchmark.
        ParameterError: a parameter is unknown, missing, or of the wrong type.
    """
    parsed = Spec.parse(spec) if isinstance(spec, str) else spec
    if parsed.name == _REASONING_GYM:
        return _create_reasoning_gym(parsed.params)
    known = names("benchmarks")
    if parsed.name in known:
        made = create("benchmarks", parsed.name, parsed.params)
        if not isinstance(made, Benchmark):
            raise PluginError(f"the benchmark {parsed.name!r} lacks `problems` or `grade`")
        return made
    if parsed.name in reasoning_gym_sets(needed=True):
        return _create_reasoning_gym({"dataset": parsed.name, **parsed.params})
    raise UnknownPlugin("benchmark", parsed.name, benchmark_names())


def benchmark_names() -> Sequence[str]:
    """Return the name of every benchmark that can be built here, reasoning-gym's sets included, sorted."""
    return sorted({*names("benchmarks"), *reasoning_gym_sets()})


def reasoning_gym_sets(*, needed: bool = False) -> Sequence[str]:
    """Return the names of reasoning-gym's sets; none where it is not installed, unless it is needed.

    Raises:
        MissingExtra: it is needed and not installed.
    """
    from ttscale_evals.benchmarks.reasoning_gym import dataset_configs

    try:
        return sorted(dataset_configs())
    except MissingExtra:
        if needed:
            raise
        return []


def _create_reasoning_gym(params: Mapping[str, JSON]) -> Benchmark:
    from dataclasses import fields

    from ttscale_evals.benchmarks.reasoning_gym import ReasoningGymBenchmark

    own = {f.name for f in fields(ReasoningGymBenchmark)}
    config = {
        **cast("Mapping[str, JSON]", params.get("config") or {}),
        **{name: value for name, value in params.items() if name not in own},
    }
    given = {name: value for name, value in params.items() if name in own and name != "config"}
    made = cast("ReasoningGymBenchmark", create("benchmarks", _REASONING_GYM, {**given, "config": config}))
    made.check()
    return made
