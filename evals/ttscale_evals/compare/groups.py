"""Systems that can be compared: of the same benchmark, grader and problems. Others are refused in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from ttscale.errors import ConfigError
from ttscale.types import JSON
from ttscale_evals.compare.system import BenchmarkKey, Source, System

_MAX_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The systems of one benchmark."""

    benchmark: str
    systems: tuple[System, ...]
    problem_ids: tuple[str, ...]
    """The problems that all of them did and that are compared, in the benchmark's order."""
    num_not_common: int = 0
    """Problems that some systems did and others did not; in no number."""


def group_systems(
    systems: Sequence[System], *, is_common: bool = False, has_mixed_graders: bool = False
) -> list[Group]:
    """Put systems of the same benchmark together.

    Args:
        systems: of one or more runs, >= 1.
        is_common: whether to leave problems out that not all systems of a benchmark did.
        has_mixed_graders: whether answers may have been judged by different versions of a grader.

    Raises:
        ConfigError: runs have no benchmark in common, call different benchmarks by one name, were graded
            differently, or have different problems; the message says what differs.
    """
    _check_benchmarks(systems)
    if not has_mixed_graders:
        _check_graders(systems)
    keys, members = list[BenchmarkKey](), list[list[System]]()
    for system in systems:
        place = next((i for i, key in enumerate(keys) if key.is_same(system.benchmark)), len(keys))
        if place == len(keys):
            keys.append(system.benchmark)
            members.append([])
        members[place].append(system)
    return [_group(key.title, found, is_common=is_common) for key, found in zip(keys, members, strict=True)]


# ── benchmarks and graders ────────────────────────────────────────────────────────────────────────────────


def _check_benchmarks(systems: Sequence[System]) -> None:
    by_run = dict[str, dict[str, BenchmarkKey]]()
    for system in systems:
        for directory in system.directories:
            by_run.setdefault(directory, {})[system.benchmark.title] = system.benchmark
    for (one, ours), (other, theirs) in combinations(by_run.items(), 2):
        for title in ours.keys() & theirs.keys():
            if not ours[title].is_same(theirs[title]):
                raise ConfigError(
                    f"the benchmark {title!r} of {one!r} is not that of {other!r}: "
                    f"{_difference(ours[title], theirs[title])}; compare runs of the same problems."
                )
        if not any(a.is_same(b) for a in ours.values() for b in theirs.values()):
            raise ConfigError(
                f"{one!r} and {other!r} are of different benchmarks: {_no_common(ours, theirs)}; "
                f"compare runs of the same problems."
            )


def _no_common(ours: Mapping[str, BenchmarkKey], theirs: Mapping[str, BenchmarkKey]) -> str:
    if len(ours) == len(theirs) == 1:
        return _difference(*ours.values(), *theirs.values())
    return f"{', '.join(map(repr, ours))} against {', '.join(map(repr, theirs))}"


def _difference(ours: BenchmarkKey, theirs: BenchmarkKey) -> str:
    if ours.name != theirs.name:
        return f"{ours.title!r} ({ours.name}) against {theirs.title!r} ({theirs.name})"
    return ", ".join(
        f"{name} is {_shown(ours.params, name)} and {_shown(theirs.params, name)}"
        for name in {**ours.params, **theirs.params}
        if ours.params.get(name) != theirs.params.get(name)
    )


def _shown(params: Mapping[str, JSON], name: str) -> str:
    return repr(params[name]) if name in params else "not given"


def _check_graders(systems: Sequence[System]) -> None:
    first = systems[0].source
    for source in (source for system in systems for source in system.sources):
        for name in first.graders.keys() & source.graders.keys():
            if first.graders[name] != source.graders[name]:
                raise ConfigError(
                    f"answers were graded differently: by {name} {first.graders[name]} in {first.directory!r} "
                    f"and by {source.graders[name]} in {source.directory!r}; run one of them again, or add "
                    f"--mixed-graders to compare all the same."
                )


# ── problems ──────────────────────────────────────────────────────────────────────────────────────────────


def _group(benchmark: str, systems: Sequence[System], *, is_common: bool) -> Group:
    first = systems[0]
    everything = {problem for system in systems for problem in system.results}
    common = {problem for problem in everything if all(problem in system.results for system in systems)}
    if not common or (len(common) < len(everything) and not is_common):
        other = next(system for system in systems if system.results.keys() != first.results.keys())
        raise ConfigError(_other_problems(benchmark, first, other, num_common=len(common)))
    ordered = sorted(common, key=lambda problem: (first.answers(problem)[0].position, problem))
    for system in systems:
        for source in system.sources:
            _check_questions(benchmark, first, system, source, ordered)
    return Group(
        benchmark=benchmark,
        systems=tuple(systems),
        problem_ids=tuple(ordered),
        num_not_common=len(everything) - len(common),
    )


def _other_problems(benchmark: str, ours: System, theirs: System, *, num_common: int) -> str:
    only = [
        f"{len(missing)} only in {_place(has)} ({names_of(missing)})"
        for has, lacks in ((ours, theirs), (theirs, ours))
        if (missing := [problem for problem in has.results if problem not in lacks.results])
    ]
    unfinished = next((s for s in (*ours.sources, *theirs.sources) if s.num_missing), None)
    mend = "" if unfinished is None else f"finish {unfinished.directory!r} with --resume, or "
    if num_common == 0:
        return (
            f"no problem of {benchmark!r} was done by all systems: {'; '.join(only)}; "
            f"{mend}compare runs of the same problems."
        )
    return (
        f"not all systems did the same problems of {benchmark!r}: {'; '.join(only)}; "
        f"{mend}add --common to compare on the {num_common} that all did."
    )


def _place(system: System) -> str:
    return f"{system.strategy!r} of {' and '.join(map(repr, system.directories))}"


def names_of(problems: Sequence[str]) -> str:
    """Return the first few of some problems, quoted."""
    more = ", …" if len(problems) > _MAX_NAMED else ""
    return ", ".join(repr(problem) for problem in problems[:_MAX_NAMED]) + more


def _check_questions(
    benchmark: str, ours: System, theirs: System, source: Source, problems: Sequence[str]
) -> None:
    """Hold the problems of one run of a system against those of another system."""
    differing = list[str]()
    for problem in problems:
        first, other = ours.answers(problem)[0], theirs.results[problem].get(source.seed)
        if other is not None and (first.question, first.target) != (other.question, other.target):
            differing.append(problem)
    if differing:
        raise ConfigError(
            f"{len(differing)} problems of {benchmark!r} have another question or target in "
            f"{source.directory!r} than in {ours.source.directory!r} ({names_of(differing)}); "
            f"compare runs of the same problems."
        )
