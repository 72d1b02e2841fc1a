"""The whole comparison as plain data: systems, pairs, matched compute, fronts, and what a reader must know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ttscale import __version__
from ttscale.errors import ConfigError
from ttscale.types import JSON
from ttscale_evals.compare.axes import AxisName, choose_axes
from ttscale_evals.compare.entries import Entry, make_entry
from ttscale_evals.compare.fronts import FrontPoint, draw_front
from ttscale_evals.compare.groups import Group
from ttscale_evals.compare.loading import LeftOut
from ttscale_evals.compare.matched import MatchedCost, match_costs
from ttscale_evals.compare.means import measure
from ttscale_evals.compare.notes import notes_of
from ttscale_evals.compare.pairs import Pair, compare_pairs
from ttscale_evals.rows import known_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is known about systems side by side, benchmark by benchmark."""

    seed: int
    """Of the resampling."""
    baseline: str | None
    """The label that others are held against, where one was chosen."""
    axes: Sequence[AxisName]
    entries: Sequence[Entry]
    pairs: Sequence[Pair]
    matched: Sequence[MatchedCost]
    fronts: Sequence[FrontPoint]
    left_out: Sequence[LeftOut]
    unreadable: Sequence[LeftOut]
    notes: Sequence[str]

    def to_json(self) -> dict[str, JSON]:
        """Return the document of ``ttscale compare --json``."""
        return {
            "version": __version__,
            "seed": self.seed,
            "baseline": self.baseline,
            "axes": list(self.axes),
            "how_known": known_of([entry.row for entry in self.entries]),
            "rows": [entry.to_json() for entry in self.entries],
            "pairs": [asdict(pair) | {"verdict": pair.verdict} for pair in self.pairs],
            "matched": [asdict(matched) for matched in self.matched],
            "fronts": [asdict(point) for point in self.fronts],
            "left_out": [asdict(entry) for entry in self.left_out],
            "unreadable": [asdict(entry) for entry in self.unreadable],
            "notes": list(self.notes),
        }


def compare_systems(
    groups: Sequence[Group],
    *,
    baseline: str | None = None,
    by: Sequence[str] = (),
    seed: int = 0,
    left_out: Sequence[LeftOut] = (),
    unreadable: Sequence[LeftOut] = (),
) -> Comparison:
    """Compare the systems of each benchmark; pure, and the same for the same arguments.

    Args:
        groups: see `group_systems`.
        baseline: what others are held against: a label, or a strategy that is there once. ``None``: the plain
            baselines; where there are none, all pairs are compared.
        by: axes of cost, see `choose_axes`.
        seed: of the resampling and of random signs, >= 0.
        left_out: what was not compared, for the reader.
        unreadable: what could not be read, for the reader.

    Raises:
        ConfigError: there is no such baseline or axis.
    """
    chosen = None if baseline is None else find_baseline(groups, baseline)
    axes = choose_axes(by, groups)
    measured = [(group, measure(group, axes, seed=seed)) for group in groups]
    matched_axes: Sequence[AxisName] = axes if by else [axis for axis in axes if axis != "flops"]
    entries = [
        make_entry(group, means, place) for group, means in measured for place in range(len(group.systems))
    ]
    pairs = compare_pairs(measured, chosen, seed=seed)
    return Comparison(
        seed=seed,
        baseline=chosen,
        axes=axes,
        entries=entries,
        pairs=pairs,
        matched=[m for group, means in measured for m in match_costs(group, means, matched_axes, chosen)],
        fronts=[p for group, means in measured for axis in axes for p in draw_front(group, means, axis)],
        left_out=left_out,
        unreadable=unreadable,
        notes=notes_of(groups, [entry.row for entry in entries], pairs, chosen),
    )


def find_baseline(groups: Sequence[Group], text: str) -> str:
    """Return the label that a text names: a label, else the title or name of a strategy that is there once.

    Raises:
        ConfigError: none or several are so called; those there are are named.
    """
    systems = [system for group in groups for system in group.systems]
    labels = list(dict.fromkeys(system.label for system in systems))
    if text in labels:
        return text
    by_title = [system.label for system in systems if system.strategy == text]
    by_name = [system.label for system in systems if system.name == text]
    for found in (list(dict.fromkeys(by_title)), list(dict.fromkeys(by_name))):
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigError(
                f"--baseline {text!r} names {len(found)} systems; choose one of {_listed(found)}."
            )
    raise ConfigError(f"--baseline {text!r} names no system; choose one of {_listed(labels)}.")


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(map(repr, labels[:20])) + (", …" if len(labels) > 20 else "")
