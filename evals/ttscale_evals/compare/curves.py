"""Curves of accuracy against cost: systems that differ only in how much they may spend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttscale.types import JSON
from ttscale_evals.compare.groups import Group
from ttscale_evals.compare.system import SIZE, System


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Systems of one strategy, told apart by the samples they draw or their budget."""

    title: str
    members: tuple[int, ...]
    """Their places in the group."""
    is_plain: bool


def find_curves(systems: Sequence[System]) -> list[Curve]:
    """Return the curves that systems form; a system without kin is a curve of one point.

    Kin have the same strategy, parameters other than `n`, model with its options, and a seed in common; budgets
    may differ.
    A single sample is the majority of one, so `single` is a point of the plain majority's curve if its
    parameters are the same.
    """
    families = list[list[int]]()
    for place, system in enumerate(systems):
        kin = next((family for family in families if _are_kin(systems[family[0]], system)), None)
        if kin is None:
            families.append([place])
        else:
            kin.append(place)
    singles = [family for family in families if systems[family[0]].name == "single"]
    for family in singles:
        single = systems[family[0]]
        votes = [other for other in families if _is_vote_of(systems[other[0]], single)]
        for other in votes:
            other[:0] = family
        if votes:
            families.remove(family)
    has_models = len({system.source.model for system in systems}) > 1
    curves = [_curve(systems, family, has_models=has_models) for family in families]
    titles = [curve.title for curve in curves]
    return [
        curve
        if titles.count(curve.title) == 1
        else Curve(
            title=f"{curve.title}, as {systems[curve.members[-1]].label}",
            members=curve.members,
            is_plain=curve.is_plain,
        )
        for curve in curves
    ]


def reference_curves(group: Group, baseline: str | None) -> list[Curve]:
    """Return the curves that others are held against: all plain ones, and that of a named baseline."""
    return [
        curve
        for curve in find_curves(group.systems)
        if curve.is_plain or any(group.systems[place].label == baseline for place in curve.members)
    ]


def _are_kin(one: System, other: System) -> bool:
    return (
        one.name == other.name
        and _same_source(one, other)
        and _without_size(one.params) == _without_size(other.params)
    )


def _same_source(one: System, other: System) -> bool:
    ours, theirs = one.source, other.source
    is_same_model = (ours.model, ours.options) == (theirs.model, theirs.options)
    return is_same_model and not set(one.seeds).isdisjoint(other.seeds)


def _without_size(params: Mapping[str, JSON]) -> Mapping[str, JSON]:
    return {name: value for name, value in params.items() if name != SIZE}


def _is_vote_of(vote: System, single: System) -> bool:
    if vote.name == "single" or not vote.is_plain or not _same_source(vote, single):
        return False
    shared = vote.params.keys() & single.params.keys()
    return all(vote.params[name] == single.params[name] for name in shared)


def _curve(systems: Sequence[System], family: Sequence[int], *, has_models: bool) -> Curve:
    last = systems[family[-1]]
    is_plain = last.is_plain
    name = "single sample" if last.name == "single" else "plain majority" if is_plain else last.name
    title = f"{name} · {last.source.model}" if has_models else name
    return Curve(title=title, members=tuple(family), is_plain=is_plain)
