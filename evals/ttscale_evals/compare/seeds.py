"""Runs that differ only in the seed of the sampling are one system: its answers are clustered by problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ttscale_evals.compare.system import System, labelled
from ttscale_evals.store import Result


def join_seeds(systems: Sequence[System]) -> list[System]:
    """Make one system of those that differ only in the seed of the sampling, and label all anew.

    Where two of them have the same seed, nobody can tell which belong together, and they are left as they are.
    So are replays: recorded samples were drawn under the seeds of the recording.

    Args:
        systems: in the order in which they are to stand.
    """
    families = list[list[int]]()
    for place, system in enumerate(systems):
        family = next((f for f in families if differ_in_seed(systems[f[0]], system)), None)
        if family is None:
            families.append([place])
        else:
            family.append(place)
    joined = dict[int, System]()
    for family in families:
        members = [systems[place] for place in family]
        seeds = [seed for member in members for seed in member.seeds]
        if len(set(seeds)) == len(seeds):
            joined[family[0]] = _join(members)
        else:
            joined |= zip(family, members, strict=True)
    return labelled([joined[place] for place in sorted(joined)])


def differ_in_seed(one: System, other: System) -> bool:
    """Whether two systems are the same strategy under the same circumstances, but for seed and directory."""
    ours, theirs = one.source, other.source
    return (
        not ours.setting.is_replayed
        and (one.benchmark, one.strategy, one.name, one.params)
        == (other.benchmark, other.strategy, other.name, other.params)
        and replace(ours, directory="", seed=0, num_missing=0)
        == replace(theirs, directory="", seed=0, num_missing=0)
    )


def _join(members: Sequence[System]) -> System:
    # By seed, whatever the order of the runs, so that sums are rounded alike.
    ordered = sorted(members, key=lambda member: member.seeds)
    results = dict[str, dict[int, Result]]()
    for member in ordered:
        for problem, answers in member.results.items():
            results.setdefault(problem, {}).update(answers)
    sources = tuple(source for member in ordered for source in member.sources)
    return replace(members[0], sources=sources, results=results)
