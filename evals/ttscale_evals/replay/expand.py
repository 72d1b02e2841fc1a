"""From a pool to the runs that compare strategies on it: one for each recorded model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import groupby
from pathlib import Path
from typing import Final

from ttscale.errors import CapabilityError, ConfigError
from ttscale.registry import Spec, load, names
from ttscale.strategy import Strategy, demands, parts
from ttscale.types import JSON
from ttscale_evals.benchmarks.create import create_benchmark, reasoning_gym_sets
from ttscale_evals.config import EvalConfig, PluginConfig
from ttscale_evals.plan import make_plan
from ttscale_evals.replay.pool import Pool, Recording, read_pool

_SINGLE: Final = "single"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is to be compared, as the command line says it."""

    pool: Path
    recorded: Sequence[str] = ()
    """Names of models; empty: all of the pool."""
    benchmarks: Sequence[str] = ()
    """Names in the pool, or specs of other benchmarks with the same questions; empty: all of the pool."""
    strategies: Sequence[str] = ()
    """Specs; empty: a usual choice."""
    orders: int = 0
    """In how many drawn orders, beside the recorded one."""
    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    """Further fields of the runs' configs: `limit`, `seed`, `budget` and the like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Something that is not compared."""

    model: str
    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """One run."""

    name: str
    """Of its directory, where there are several runs."""
    config: EvalConfig
    resolved: EvalConfig
    """With every parameter written out, see `Plan`."""
    notes: Sequence[str] = ()
    """What a reader should know of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """Everything that a comparison runs, and what it leaves out."""

    expansions: Sequence[Expansion]
    left_out: Sequence[LeftOut]


def expand(comparison: Comparison) -> Expanded:
    """Return the runs of a comparison; everything that can be found wrong now is.

    Benchmarks of a model with different numbers of samples, or recorded at different settings, are runs of
    their own: their strategies differ.

    Raises:
        DataError: the pool is missing or broken, or problems have no targets.
        ConfigError: a name or parameter is unknown or wrong.
        CapabilityError: a strategy needs what was not recorded.
    """
    pool = read_pool(comparison.pool)
    expansions, left_out = list[Expansion](), list[LeftOut]()
    for recordings in _chosen(pool, comparison):
        for group in _alike(recordings):
            made, skipped = _expansion(pool, comparison, group)
            expansions.append(made)
            left_out += skipped
    return Expanded(expansions=_named(expansions), left_out=left_out)


# ── what is replayed ──────────────────────────────────────────────────────────────────────────────────────


def _chosen(pool: Pool, comparison: Comparison) -> list[list[Recording]]:
    """Return the recordings of each model that are asked for.

    Raises:
        ConfigError: there is none of that name.
    """
    wanted = list(comparison.recorded) or list(dict.fromkeys(one.name for one in pool.recordings))
    named = [name for name in comparison.benchmarks if _is_of(pool, name)]
    found = dict[str, list[Recording]]()
    for name in wanted:
        own = pool.of_model(name)
        if not own:
            raise ConfigError(f"{str(pool.path)!r} holds no problems of the model {name!r}.")
        found[own[0].name] = [one for one in own if not comparison.benchmarks or one.benchmark in named]
        if others := [other for other in comparison.benchmarks if other not in named]:
            found[own[0].name] += [_elsewhere(own, other) for other in others]
    if not any(found.values()):
        raise ConfigError(f"none of the chosen models was recorded on {', '.join(map(repr, named))}.")
    return [recordings for recordings in found.values() if recordings]


def _is_of(pool: Pool, name: str) -> bool:
    """Whether a benchmark is one of the pool's.

    Raises:
        ConfigError: it is neither that nor another benchmark.
    """
    if any(one.benchmark == name for one in pool.recordings):
        return True
    own = ", ".join(repr(known) for known in dict.fromkeys(one.benchmark for one in pool.recordings))
    try:
        create_benchmark(name)
    except ConfigError as error:
        raise ConfigError(
            f"the pool {str(pool.path)!r} has no benchmark {name!r}; it has: {own}. Nor is it another "
            f"benchmark: {error}"
        ) from error
    return False


def _elsewhere(own: Sequence[Recording], benchmark: str) -> Recording:
    """Return a model's recording as one of a benchmark that the pool does not name."""
    fullest = max(own, key=lambda one: len(one.problems))
    return replace(fullest, benchmark=benchmark, problems=(), num_samples=(fullest.min_samples,))


def _alike(recordings: Sequence[Recording]) -> list[list[Recording]]:
    """Group a model's recordings by number of samples and settings."""

    def likeness(one: Recording) -> tuple[int, str]:
        return -one.min_samples, repr(sorted(one.sampling.items()))

    return [list(group) for _, group in groupby(sorted(recordings, key=likeness), key=likeness)]


def _named(expansions: Sequence[Expansion]) -> list[Expansion]:
    """Number the runs of models that have several."""
    named = list[Expansion]()
    for expansion in expansions:
        same = sum(other.name == expansion.name for other in named)
        stem = "".join(char if char.isalnum() or char in "._-" else "-" for char in expansion.name).lstrip(".")
        name = f"{stem or 'model'}-{same + 1}" if same else stem or "model"
        named.append(replace(expansion, name=name))
    return named


# ── one run ───────────────────────────────────────────────────────────────────────────────────────────────


def _expansion(
    pool: Pool, comparison: Comparison, recordings: Sequence[Recording]
) -> tuple[Expansion, list[LeftOut]]:
    first = recordings[0]
    if comparison.strategies:
        strategies, skipped = [_with_samples(spec, first) for spec in comparison.strategies], list[LeftOut]()
    else:
        strategies, skipped = _usual_strategies(first)
    config = EvalConfig.load(
        None,
        {
            **comparison.settings,
            "model": f"replay:{pool.path}",
            "model_options": {"recorded": first.name},
            "benchmarks": [_benchmark(pool, one) for one in recordings],
            "strategies": strategies,
            "sampling": _used(first.sampling, strategies),
            "orders": comparison.orders,
        },
    )
    plan = make_plan(config)
    for strategy in {cell.strategy_title: cell.strategy for cell in plan.cells}.values():
        _check_able(strategy, first)
    notes = [note for one in recordings for note in _notes(one)]
    return Expansion(name=first.name, config=config, resolved=plan.config, notes=notes), skipped


def _benchmark(pool: Pool, recording: Recording) -> Mapping[str, object]:
    if not recording.problems:
        return {"name": Spec.parse(recording.benchmark).name, "params": Spec.parse(recording.benchmark).params}
    params: dict[str, JSON] = {
        "path": str(pool.path),
        "name": recording.benchmark,
        "recorded": recording.name,
        "original": recording.benchmark if _has_own_checker(recording.benchmark) else None,
    }
    label = recording.benchmark or pool.path.name.split(".")[0]
    given = {name: value for name, value in params.items() if value is not None}
    return {"name": "pool", "params": given, "label": label}


def _has_own_checker(benchmark: str) -> bool:
    """Whether a recorded benchmark is one of reasoning-gym's sets, whose checkers know more right answers."""
    return benchmark.partition(":")[0] in reasoning_gym_sets()


def _used(sampling: Mapping[str, JSON], strategies: Iterable[PluginConfig]) -> Mapping[str, JSON]:
    """Return what of the recorded settings any of the strategies can be told."""
    known = {f.name for entry in strategies for f in fields(load("strategies", entry.name))}
    return {name: value for name, value in sampling.items() if name in known}


def _notes(recording: Recording) -> Iterator[str]:
    where = f"{recording.name}, {recording.benchmark or 'its problems'}"
    most, least = max(recording.num_samples), recording.min_samples
    if most > least:
        yield (
            f"{where}: strategies draw at most {least} samples, since the problem {recording.fewest.id!r} "
            f"has no more; others have up to {most}."
        )
    num_untold = sum(problem.target is None for problem in recording.problems)
    if num_untold and not _has_own_checker(recording.benchmark):
        yield (
            f"{where}: {num_untold} of {len(recording.problems)} problems have no target; an answer to these "
            f"is graded as most of the recorded samples that gave it were graded where they are from."
        )
    if recording.other_settings:
        chosen = ", ".join(f"{name}={value!r}" for name, value in recording.sampling.items())
        yield (
            f"{where}: these are the samples drawn at {chosen or 'the default settings'}; there are others at "
            f"{'; '.join(recording.other_settings)}."
        )


# ── strategies ────────────────────────────────────────────────────────────────────────────────────────────


def _with_samples(spec: str, recording: Recording) -> PluginConfig:
    """Return a strategy that may draw as many samples as were recorded, unless it says how many."""
    parsed = Spec.parse(spec)
    has_n = any(f.name == "n" for f in fields(load("strategies", parsed.name)))
    params = {"n": recording.min_samples} if has_n and recording.min_samples else {}
    return _entry(parsed.name, {**params, **parsed.params})


def _entry(name: str, params: Mapping[str, JSON]) -> PluginConfig:
    return PluginConfig(name=name, params=dict(params))


def _usual_strategies(recording: Recording) -> tuple[list[PluginConfig], list[LeftOut]]:
    """Return the strategies that are compared when none is named, and what this recording cannot serve.

    Raises:
        ConfigError: a problem has no sample at all.
    """
    n = recording.min_samples
    if n == 0:
        raise ConfigError(
            f"the recording of {recording.name!r} holds no whole sample of the problem "
            f"{recording.fewest.id!r}; record it, or take the problem out of the pool."
        )
    usual: list[tuple[str, dict[str, JSON], int]] = [
        (_SINGLE, {}, 1),
        ("self_consistency", {"stop": "never"}, 2),
        ("self_consistency", {}, 2),
        ("shortest_majority", {}, 2),
        ("first_finish", {"k": 1}, 2),
        ("first_finish", {"k": 3}, 4),
        ("last_finish", {"k": 1}, 2),
        ("adaptive_consistency", {}, 5),
        ("esc", {"window": 4}, 5),
    ]
    chosen, left_out = list[PluginConfig](), list[LeftOut]()
    for name, params, least in usual:
        entry = _entry(name, params if name == _SINGLE else {"n": n, **params})
        if name not in names("strategies"):
            why = "it is not installed"
        elif n < least:
            problem = recording.fewest.id
            why = f"it takes {least} samples to make a difference, and the problem {problem!r} has {n}"
        else:
            chosen.append(entry)
            continue
        left_out.append(LeftOut(model=recording.name, what=entry.title, why=why))
    return chosen, left_out


def _check_able(strategy: Strategy, recording: Recording) -> None:
    """Find out whether a recording holds what a strategy asks of its samples.

    Raises:
        CapabilityError: it does not.
    """
    for part in parts(strategy):
        if missing := recording.capabilities.lacking(demands(part)[None]):
            raise CapabilityError(
                f"{type(part).__name__} needs {' and '.join(missing)}, which the recording of "
                f"{recording.name!r} does not hold; leave the strategy out, or record the samples with them."
            )
