"""AND/OR graphs of production: rules that take all of their sources, and items that several rules may give.

After Plan-over-Graph (arXiv:2502.14563): what a plan is, whether it is valid, how long it takes and what it
costs.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ttscale_strategies.checks import require_at_least
from ttscale_strategies.dag.graph import GraphError, Need, Node, check_nodes, ordered


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Takes all of its sources and gives its targets."""

    id: str
    source: frozenset[str]
    target: frozenset[str]
    time: float
    """In the task's unit, > 0."""
    cost: float = 1.0
    """>= 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Production:
    """What can be made of what, what there is at the beginning, and what is wanted."""

    rules: tuple[Rule, ...]
    initial: frozenset[str]
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subtask:
    """One application of a rule in a plan."""

    name: str
    source: frozenset[str]
    target: frozenset[str]
    dependencies: tuple[str, ...] = ()
    """Names of subtasks that must have ended before."""


def read_production(document: object) -> Production:
    """Read ``{"rules": [{"id", "source", "target", "time", "cost"}], "initial_source": […], "target": …}``.

    Raises:
        ValueError: the document is nothing of the kind; the message says where.
    """
    fields = _object(document, "the task")
    rules = list[Rule]()
    for place, item in enumerate(_list(fields.get("rules"), "rules")):
        rule = _object(item, f"rule {place + 1}")
        times = {name: rule.get(name, default) for name, default in (("time", None), ("cost", 1))}
        for name, value in times.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"the {name} of rule {place + 1} is no number: {value!r:.80}")
            require_at_least(value, 0, f"the {name} of rule {place + 1}")
        if not times["time"]:
            raise ValueError(f"the time of rule {place + 1} must be > 0")
        rules.append(
            Rule(
                id=str(rule.get("id", place + 1)),
                source=_items(rule.get("source"), f"the source of rule {place + 1}"),
                target=_items(rule.get("target"), f"the target of rule {place + 1}"),
                time=float(cast("float", times["time"])),
                cost=float(cast("float", times["cost"])),
            )
        )
    (target, *more) = sorted(_items(fields.get("target"), "the target")) or [""]
    if not target or more:
        raise ValueError("the target must be one item")
    initial = _items(fields.get("initial_source"), "initial_source")
    return Production(rules=tuple(rules), initial=initial, target=target)


def read_subtasks(document: object) -> list[Subtask]:
    """Read ``[{"name", "source", "target", "dependencies"}]``.

    Raises:
        ValueError: the document is nothing of the kind, or two subtasks have one name.
    """
    subtasks = dict[str, Subtask]()
    for place, item in enumerate(_list(document, "the plan")):
        subtask = _object(item, f"subtask {place + 1}")
        name = subtask.get("name")
        if not isinstance(name, str) or not name or name in subtasks:
            raise ValueError(f"subtask {place + 1} needs a name of its own, got {name!r:.80}")
        needed = _list(subtask.get("dependencies", []), f"the dependencies of {name}")
        subtasks[name] = Subtask(
            name=name,
            source=_items(subtask.get("source"), f"the source of {name}"),
            target=_items(subtask.get("target"), f"the target of {name}"),
            dependencies=tuple(dict.fromkeys(str(other) for other in needed)),
        )
    return list(subtasks.values())


def plan_nodes(production: Production, subtasks: Sequence[Subtask], *, tool: str) -> list[Node]:
    """Return a plan as nodes of a graph, each a call of a tool with name, source and target.

    Raises:
        ValueError: a subtask follows no rule, needs what no subtask before it gives, or one that there is not;
            subtasks wait for each other in a circle; or nothing gives the target.
    """
    rules = _fastest(production)
    nodes = list[Node]()
    for subtask in subtasks:
        rule = rules.get((subtask.source, subtask.target))
        if rule is None:
            raise ValueError(f"{subtask.name} follows no rule")
        nodes.append(
            Node(
                id=subtask.name,
                tool=tool,
                arguments={
                    "name": subtask.name,
                    "source": sorted(subtask.source),
                    "target": sorted(subtask.target),
                },
                needs=tuple(Need(other, "success") for other in subtask.dependencies),
                seconds=rule.time,
            )
        )
    try:
        check_nodes(nodes)
    except GraphError as error:
        raise ValueError(str(error)) from error
    _check_inputs(production, subtasks, nodes)
    return nodes


def _check_inputs(production: Production, subtasks: Sequence[Subtask], nodes: Sequence[Node]) -> None:
    known = {subtask.name: subtask for subtask in subtasks}
    given = dict[str, frozenset[str]]()  # what there is when a subtask has ended
    for name in ordered({node.id: node for node in nodes}):
        subtask = known[name]
        before = production.initial.union(*(given[other] for other in subtask.dependencies))
        if lacking := sorted(subtask.source - before):
            raise ValueError(f"{name} needs {lacking[0]!r}, which nothing that it depends on gives")
        given[name] = before | subtask.target
    reached = production.initial.union(*(subtask.target for subtask in subtasks))
    if production.target not in reached:
        raise ValueError(f"nothing gives the target {production.target!r}")


def least_times(production: Production, rules: Iterable[Rule] | None = None) -> Mapping[str, float]:
    """Return when each item can be had at the earliest, with unlimited hands; items that cannot are left out.

    The least fix-point of t(target) = min over rules of (max over sources of t + time), t = 0 at the beginning.

    Args:
        production: says what there is at the beginning.
        rules: which may be used; by default all.
    """
    times = dict.fromkeys(production.initial, 0.0)
    using = production.rules if rules is None else tuple(rules)
    changed = True
    while changed:  # every round settles one more item at least
        changed = False
        for rule in using:
            if not all(source in times for source in rule.source):
                continue
            end = max((times[source] for source in rule.source), default=0.0) + rule.time
            for item in rule.target:
                if end < times.get(item, math.inf):
                    times[item], changed = end, True
    return times


@dataclass(frozen=True, slots=True)
class PlanScore:
    """What a valid plan takes."""

    makespan: float
    """When its target is there: that of `least_times` with its rules only."""
    cost: float
    """Σ of its subtasks."""


def score_plan(production: Production, subtasks: Sequence[Subtask]) -> PlanScore:
    """Return makespan and cost of a plan that `plan_nodes` takes."""
    rules = _fastest(production)
    used = [rules[subtask.source, subtask.target] for subtask in subtasks]
    return PlanScore(
        makespan=least_times(production, used)[production.target], cost=sum(rule.cost for rule in used)
    )


def random_production(rng: random.Random, *, num_items: int, max_time: int = 50) -> Production:
    """Return a task of which the target can be had in more than one way: our own, in the form of the paper's.

    Args:
        rng: drawn from.
        num_items: >= 3; item N1 is there at the beginning, the last is wanted.
        max_time: of a rule, >= 1; costs are 1.
    """
    require_at_least(num_items, 3, "num_items")
    rules = list[Rule]()
    for number in range(2, num_items + 1):
        num_ways = 2 if number == num_items else rng.choice((1, 1, 2))
        sources = {
            frozenset(
                f"N{other}" for other in rng.sample(range(1, number), min(rng.choice((1, 2)), number - 1))
            )
            for _ in range(num_ways)
        }
        if number == num_items and len(sources) == 1:
            sources.add(frozenset({"N1"}) if frozenset({"N1"}) not in sources else frozenset({"N2"}))
        rules += [
            Rule(
                id=f"{number}.{way}",
                source=source,
                target=frozenset({f"N{number}"}),
                time=float(rng.randint(1, max_time)),
            )
            for way, source in enumerate(sorted(sources, key=sorted))
        ]
    return Production(rules=tuple(rules), initial=frozenset({"N1"}), target=f"N{num_items}")


def quickest_plan(production: Production) -> list[Subtask]:
    """Return the subtasks that give the target in the least time, nothing beside; none if it cannot be had."""
    times = least_times(production)
    subtasks, waiting = dict[str, Subtask](), [production.target] if production.target in times else []
    made = dict[str, str]()
    while waiting:
        item = waiting.pop()
        if item in production.initial or item in made:
            continue
        rule = next(
            rule
            for rule in production.rules
            if item in rule.target
            and all(source in times for source in rule.source)
            and max((times[source] for source in rule.source), default=0.0) + rule.time == times[item]
        )
        made |= {given: rule.id for given in rule.target if given not in made}
        subtasks[rule.id] = Subtask(name=rule.id, source=rule.source, target=rule.target)
        waiting += sorted(rule.source)
    return [
        Subtask(
            name=subtask.name,
            source=subtask.source,
            target=subtask.target,
            dependencies=tuple(sorted({made[item] for item in subtask.source if item in made})),
        )
        for subtask in subtasks.values()
    ]


def _fastest(production: Production) -> Mapping[tuple[frozenset[str], frozenset[str]], Rule]:
    """Return the rules by what they take and give; of several alike the quickest."""
    found = dict[tuple[frozenset[str], frozenset[str]], Rule]()
    for rule in production.rules:
        key = rule.source, rule.target
        if key not in found or (rule.time, rule.cost) < (found[key].time, found[key].cost):
            found[key] = rule
    return found


def _object(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} is no JSON object")
    return cast("Mapping[str, object]", value)


def _list(value: object, what: str) -> Sequence[object]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(f"{what} must be a list")
    return cast("Sequence[object]", value)


def _items(value: object, what: str) -> frozenset[str]:
    """Return names of items; one may stand without a list, and be a number."""
    given = [value] if isinstance(value, str | int) else _list(value, what)
    if wrong := [item for item in given if not isinstance(item, str | int)]:
        raise ValueError(f"{what} holds {wrong[0]!r:.80}, which is no name")
    return frozenset(str(item) for item in given)
