"""The cheapest way through an AND/OR graph of production, by integer programming."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from ttscale_strategies.dag.rules.production import Production, least_times


def least_cost(production: Production) -> float | None:
    """Return the least cost at which the target can be had; ``None``: it cannot.

    With x_r whether rule r is paid for, m_ri whether it makes item i, and y_i the place of i in an order:
    minimise Σ cost_r · x_r so that m_ri <= x_r; y_i >= y_s + 1 for every source s of r where m_ri; x_r <= Σ
    m_qs over the rules q that give s; and the target is made. The order keeps items from making each other.
    """
    if production.target in production.initial:
        return 0.0
    if production.target not in least_times(production):
        return None
    rules, initial = production.rules, production.initial
    items = sorted(frozenset[str]().union(*(rule.source | rule.target for rule in rules)) - initial)
    pairs = [(r, item) for r, rule in enumerate(rules) for item in sorted(rule.target - initial)]
    place = {item: len(rules) + number for number, item in enumerate(items)}
    makes = {pair: len(rules) + len(items) + number for number, pair in enumerate(pairs)}
    program = _Program(len(rules) + len(items) + len(pairs))
    for (r, item), made in makes.items():
        program.require({r: 1, made: -1}, 0)
        for source in rules[r].source - initial:
            order = {place[item]: 1.0, place[source]: -1.0} if source != item else {}
            program.require({**order, made: -(len(items) + 1)}, -len(items))
    for r, rule in enumerate(rules):
        for source in rule.source - initial:
            program.require({**{made: 1 for (_, item), made in makes.items() if item == source}, r: -1}, 0)
    program.require({made: 1 for (_, item), made in makes.items() if item == production.target}, 1)
    for r, rule in enumerate(rules):
        program.cost[r] = rule.cost
    for column in place.values():
        program.upper[column], program.is_whole[column] = len(items), 0
    return program.least()


class _Program:
    """Minimise a cost over variables from 0 up, under lower bounds of sums."""

    def __init__(self, size: int) -> None:
        self.cost = np.zeros(size)
        self.upper = np.ones(size)
        self.is_whole = np.ones(size, dtype=np.int64)
        self._rows = list[tuple[Mapping[int, float], float]]()

    def require(self, row: Mapping[int, float], least: float) -> None:
        self._rows.append((row, least))

    def least(self) -> float | None:
        matrix = np.zeros((len(self._rows), len(self.cost)))
        for number, (row, _) in enumerate(self._rows):
            for column, value in row.items():
                matrix[number, column] = value
        solved = milp(
            self.cost,
            constraints=LinearConstraint(matrix, lb=np.array([least for _, least in self._rows])),
            bounds=Bounds(np.zeros(len(self.cost)), self.upper),
            integrality=self.is_whole,
        )
        return float(solved.fun) if solved.success and solved.fun is not None else None
