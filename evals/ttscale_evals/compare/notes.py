"""What a reader must know to read a comparison rightly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ttscale_evals.compare.curves import reference_curves
from ttscale_evals.compare.groups import Group
from ttscale_evals.compare.pairs import Pair
from ttscale_evals.report import formats
from ttscale_evals.report.leaderboard import footnotes
from ttscale_evals.rows import Row


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
    # The label tells apart what strategy and model may not.
    titled = [replace(row, strategy=s.label, model="") for row, s in zip(rows, systems, strict=True)]
    notes = footnotes(titled)
    notes += [_without_errors(pair) for pair in pairs if pair.difference_errors_excluded is not None]
    for group in groups:
        notes += _about_group(group, baseline)
    notes += _only_somewhere(groups)
    concurrencies = sorted({system.source.setting.concurrency or 0 for system in systems})
    if len(concurrencies) > 1:
        listed = ", ".join(map(str, concurrencies))
        notes.append(f"Seconds were measured at different concurrency ({listed}): do not compare latency.")
    return notes


def _only_somewhere(groups: Sequence[Group]) -> list[str]:
    """Name the benchmarks that not all runs are of."""
    runs = [list(dict.fromkeys(system.source.directory for system in group.systems)) for group in groups]
    num_runs = len({directory for directories in runs for directory in directories})
    return [
        f"{group.benchmark} is only in {', '.join(directories)}."
        for group, directories in zip(groups, runs, strict=True)
        if len(directories) < num_runs
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
