"""Strategies that spend where it pays: by difficulty, budget, and what a model is like."""

from __future__ import annotations

from ttscale_strategies.effort.auto import Auto
from ttscale_strategies.effort.bank import bank_cases, bank_samples
from ttscale_strategies.effort.compute_optimal import ComputeOptimal
from ttscale_strategies.effort.saturation import Saturation
from ttscale_strategies.effort.table import Case, EffortTable, Result, fit_effort_table, load_table

__all__ = [
    "Auto",
    "Case",
    "ComputeOptimal",
    "EffortTable",
    "Result",
    "Saturation",
    "bank_cases",
    "bank_samples",
    "fit_effort_table",
    "load_table",
]
