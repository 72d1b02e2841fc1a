"""AND/OR graphs of production: least times and costs, valid plans, generated tasks."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ttscale_strategies.dag.paths import shape_of
from ttscale_strategies.dag.rules.least_cost import least_cost
from ttscale_strategies.dag.rules.production import (
    PlanScore,
    Production,
    Subtask,
    least_times,
    plan_nodes,
    quickest_plan,
    random_production,
    read_production,
    read_subtasks,
    score_plan,
)


def rule(id: str, source: str, target: str, time: float, cost: float = 1) -> Mapping[str, Any]:
    return {"id": id, "source": source.split(), "target": target.split(), "time": time, "cost": cost}


TASK = {
    "rules": [
        rule("1", "wood", "plank", 3),
        rule("2", "wood", "nail", 7),
        rule("3", "ore", "nail", 2, cost=5),
        rule("4", "wood", "ore", 4),
        rule("5", "plank nail", "box", 1),
        rule("6", "gold", "box", 1),
    ],
    "initial_source": ["wood"],
    "target": "box",
}
BOX = read_production(TASK)


def subtask(name: str, source: str, target: str, *needed: str) -> Subtask:
    return Subtask(
        name=name, source=frozenset(source.split()), target=frozenset(target.split()), dependencies=needed
    )


PLAN = [
    subtask("p", "wood", "plank"),
    subtask("o", "wood", "ore"),
    subtask("n", "ore", "nail", "o"),
    subtask("b", "plank nail", "box", "p", "n"),
]
CHEAP = [
    subtask("p", "wood", "plank"),
    subtask("n", "wood", "nail"),
    subtask("b", "plank nail", "box", "p", "n"),
]


def test_the_fix_point_takes_all_sources_of_a_rule_and_the_best_rule_of_an_item() -> None:
    assert least_times(BOX) == {"wood": 0, "plank": 3, "ore": 4, "nail": 6, "box": 7}


def test_a_plan_has_the_makespan_and_cost_of_its_own_rules() -> None:
    assert score_plan(BOX, PLAN) == PlanScore(7, 8)
    assert score_plan(BOX, CHEAP) == PlanScore(8, 3)
    assert least_cost(BOX) == pytest.approx(3)


def test_a_plan_is_a_graph_whose_critical_path_is_its_makespan() -> None:
    nodes = plan_nodes(BOX, PLAN, tool="make")
    assert shape_of(nodes).critical_path_seconds == 7
    assert nodes[3].arguments == {"name": "b", "source": ["nail", "plank"], "target": ["box"]}


@pytest.mark.parametrize(
    ("plan", "fault"),
    [
        ([subtask("b", "wood", "box")], "follows no rule"),
        ([*PLAN[:3], subtask("b", "plank nail", "box", "n")], "needs 'plank', which nothing"),
        ([*PLAN[:3], subtask("b", "plank nail", "box", "p", "n", "x")], "needs 'x', which is no call"),
        ([subtask("p", "wood", "plank", "n"), subtask("n", "wood", "nail", "p")], "in a circle"),
        (PLAN[:3], "nothing gives the target 'box'"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(plan: list[Subtask], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        plan_nodes(BOX, plan, tool="make")


@pytest.mark.parametrize(
    "wrong",
    [
        {"rules": []},
        {**TASK, "target": ["a", "b"]},
        {**TASK, "rules": [rule("1", "a", "b", 0)]},
        {**TASK, "rules": [rule("1", "a", "b", float("nan"))]},
        {**TASK, "rules": [rule("1", "a", "b", 1, cost=-1)]},
        {**TASK, "rules": [{"source": {}, "target": [], "time": 1}]},
        {**TASK, "rules": "abc"},
    ],
)
def test_what_is_no_task_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"rule|target|must be"):
        read_production(wrong)


@pytest.mark.parametrize(
    "wrong", [{}, "x", [3], [{"name": ""}], [{"name": "a", "source": [], "target": [[]]}], [{"name": "a"}]]
)
def test_what_is_no_plan_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"plan|subtask|source|target"):
        read_subtasks(wrong)


def least_cost_by_trying(production: Production) -> float:
    """Return the least cost over all sets of rules."""
    return min(
        sum(rule.cost for rule in chosen)
        for size in range(len(production.rules) + 1)
        for chosen in itertools.combinations(production.rules, size)
        if production.target in least_times(production, chosen)
    )


def test_generated_tasks_can_be_done_in_more_than_one_way_and_their_quickest_plan_is_valid() -> None:
    for seed in range(40):
        rng = random.Random(seed)
        production = random_production(rng, num_items=3 + seed % 6)
        if seed % 2:
            costs = [replace(rule, cost=float(rng.randint(0, 4))) for rule in production.rules]
            production = replace(production, rules=tuple(costs))
        ways = [rule for rule in production.rules if production.target in rule.target]
        assert len(ways) > 1
        plan = quickest_plan(production)
        plan_nodes(production, plan, tool="")
        assert score_plan(production, plan).makespan == least_times(production)[production.target]
        if len(production.rules) <= 8:
            assert least_cost(production) == pytest.approx(least_cost_by_trying(production))


def test_a_target_out_of_reach_has_neither_plan_nor_cost() -> None:
    production = replace(BOX, initial=frozenset({"ore"}))
    assert "box" not in least_times(production)
    assert (quickest_plan(production), least_cost(production)) == ([], None)
    assert least_cost(replace(BOX, target="wood")) == 0
