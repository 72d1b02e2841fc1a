"""Rows whose problems share a budget: what they have together, and how many of them are begun at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import ceil
from typing import Final

from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.scheduling import Purse
from ttscale.strategy import takes_turns
from ttscale.types import Usage
from ttscale_evals.config import SharedBudget
from ttscale_evals.plan import Cell

_PROBLEMS_A_TURN: Final = 8
"""Most of a row's problems must wait, or their bids decide nothing. On recorded traces of four reasoning models
one in eight at work was worth as much as one at a time, one in two cost up to 0.9 points, all of them 2.4."""


def is_shared(cell: Cell) -> bool:
    """Whether a row's problems share its budget."""
    return isinstance(cell.budget, SharedBudget)


def own_budget(cell: Cell) -> Budget | None:
    """Return what limits each problem of a row by itself."""
    return None if is_shared(cell) else cell.budget


def purse_of(cell: Cell, engine: Engine, *, max_turns: int, spent: Iterable[Usage] = ()) -> Purse | None:
    """Return what a row's problems share, ``None`` if nothing; its seconds begin now.

    Args:
        cell: the row.
        engine: it runs on.
        max_turns: most problems that have a turn at once, >= 1; one in eight, if that is less.
        spent: on problems of the row that were done before.
    """
    if not isinstance(cell.budget, SharedBudget):
        return None
    left = _left(cell.budget, sum(spent, Usage()))
    return engine.purse(
        left,
        label=f"{cell.strategy_title} on {cell.benchmark_title}",
        max_turns=min(max_turns, ceil(len(cell.problems) / _PROBLEMS_A_TURN)),
    )


def _left(budget: SharedBudget, spent: Usage) -> Budget:
    """Return what is left of a budget; seconds are those of this session."""
    return replace(
        budget,
        samples=None if budget.samples is None else max(0, budget.samples - spent.calls),
        tokens=None if budget.tokens is None else max(0, budget.tokens - spent.tokens),
        flops=None if budget.flops is None else max(0.0, budget.flops - (spent.flops or 0.0)),
        usd=None if budget.usd is None else max(0.0, budget.usd - (spent.usd or 0.0)),
        tool_calls=None if budget.tool_calls is None else max(0, budget.tool_calls - spent.tool_calls),
    )


def num_at_once(cell: Cell, concurrency: int) -> int:
    """Return how many problems of a row are begun at once: all of them, where they bid for what they share."""
    return len(cell.problems) if is_shared(cell) and takes_turns(cell.strategy) else concurrency
