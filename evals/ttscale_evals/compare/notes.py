"""What a reader must know to read a comparison rightly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final

from ttscale_evals.compare.curves import reference_curves
from ttscale_evals.compare.groups import Group, names_of
from ttscale_evals.compare.pairs import Pair
from ttscale_evals.compare.seeds import differ_in_seed
from ttscale_evals.report import formats
from ttscale_evals.report.leaderboard import footnotes
from ttscale_evals.rows import Row

_SEEDS: Final = (
    "Several seeds are one system: a problem's value is its mean over them, intervals and p are over problems, "
    "counts are of the answers of all seeds. Where such means are not 0 or 1, p is by random signs of the "
    "problems' differences (Fisher), and only counts the problems that one has right more often."
)


def notes_of(
    groups: Sequence[Group], rows: Sequence[Row], pairs: Sequence[Pair], baseline: str | None
) -> list[str]:
    """Return sentences, the general ones first.

    Args:
        groups: what is compared.
        rows: of their systems, in their order.
        pairs: as compared.
        baseline: the label that was chosen, if any.
    """
    systems = [system for group in groups for system in group.systems]
    # The label says model and budget too, where that is needed.
    titled = [replace(row, strategy=s.label, model="", budget="") for row, s in zip(rows, systems, strict=True)]
    notes = footnotes(titled)
    notes += [_without_errors(pair) for pair in pairs if pair.difference_errors_excluded is not None]
    for group in groups:
        notes += _about_group(group, baseline)
        notes += _about_seeds(group)
    notes += _same_seeds(groups)
    if any(len(system.seeds) > 1 for system in systems):
        notes.append(_SEEDS)
    notes += _only_somewhere(groups)
    settings = [system.source.setting for system in systems if not system.source.setting.is_replayed]
    concurrencies = sorted({one.concurrency for one in settings if one.concurrency is not None})
    if len(concurrencies) > 1:
        listed = ", ".join(map(str, concurrencies))
        notes.append(f"Seconds were measured at different concurrency ({listed}): do not compare latency.")
    return notes


def _only_somewhere(groups: Sequence[Group]) -> list[str]:
    """Name the benchmarks that not all runs are of."""
    runs = [
        list(dict.fromkeys(directory for system in group.systems for directory in system.directories))
        for group in groups
    ]
    num_runs = len({directory for directories in runs for directory in directories})
    return [
        f"{group.benchmark} is only in {', '.join(directories)}."
        for group, directories in zip(groups, runs, strict=True)
        if len(directories) < num_runs
    ]


def _about_seeds(group: Group) -> list[str]:
    """Say what seeds of a system lack."""
    notes = list[str]()
    for system in group.systems:
        for seed in system.seeds:
            lacking = [problem for problem in group.problem_ids if seed not in system.results[problem]]
            if lacking:
                notes.append(
                    f"{group.benchmark}: seed {seed} of {system.label} lacks {len(lacking)} of "
                    f"{len(group.problem_ids)} problems ({names_of(lacking)}); their values are those of its "
                    f"other seeds."
                )
    return notes


def _same_seeds(groups: Sequence[Group]) -> list[str]:
    """Name the runs that seem to be seeds of one system, but have the same one."""
    same = {
        (ours.source.directory, theirs.source.directory, ours.source.seed): None
        for group in groups
        for ours, theirs in combinations(group.systems, 2)
        if differ_in_seed(ours, theirs) and ours.seeds == theirs.seeds
    }
    return [
        f"{ours} and {theirs} have strategies in common and the same seed {seed}: these are compared as "
        f"systems of their own, and no seeds of them are joined."
        for ours, theirs, seed in same
    ]


def _without_errors(pair: Pair) -> str:
    points = formats.points(pair.difference_errors_excluded)
    return (
        f"{pair.ours} minus {pair.theirs} on {pair.benchmark}: {points} points among the problems that neither "
        f"failed."
    )


def _about_group(group: Group, baseline: str | None) -> list[str]:
    notes = list[str]()
    if group.num_not_common:
        notes.append(
            f"{group.benchmark}: {group.num_not_common} problems that not all systems did are in no number; "
            f"compared are {len(group.problem_ids)}."
        )
    if len(group.systems) == 1:
        notes.append(f"{group.benchmark}: {group.systems[0].label} has nothing to be compared with.")
    elif not reference_curves(group, baseline):
        notes.append(
            f"{group.benchmark}: no plain baseline is there, so nothing is held against one at matched "
            f"compute; evaluate single and self_consistency on it too."
        )
    if baseline is not None and all(system.label != baseline for system in group.systems):
        notes.append(f"{group.benchmark}: {baseline} is not there; the usual pairs are compared.")
    return notes
