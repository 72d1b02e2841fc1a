"""Numbers that a row implies, and how they read."""

from __future__ import annotations

from typing import Final

from ttscale_evals.replay.matched import AtEqualAccuracy, AtEqualCost, Average
from ttscale_evals.report import formats
from ttscale_evals.report.column import per_problem
from ttscale_evals.rows import Row


def cancelled_share(row: Row) -> float | None:
    """Return which part of the charged tokens was spent on samples that were stopped or failed, in [0, 1]."""
    return row.cancelled_tokens / row.tokens if row.tokens else None


flops_per_problem: Final = per_problem(lambda row: row.flops)
usd_per_problem: Final = per_problem(lambda row: row.usd)


def accuracy_text(row: Row) -> str:
    """Return accuracy with its interval: ``72.5 % [63.1, 79.8]``."""
    return f"{formats.percent(row.accuracy)} {formats.interval(row.accuracy_low, row.accuracy_high)}".rstrip()


def errors_text(row: Row) -> str:
    """Return accuracy without failed problems, and what it is if all of these were wrong to all were right."""
    supportable = formats.interval(row.accuracy_supportable_low, row.accuracy_supportable_high)
    return f"{formats.percent(row.accuracy_errors_excluded)} {supportable}".rstrip() if row.errors else ""


def measures_text(row: Row) -> str:
    """Return a row's own measures: ``f1 0.71, tool_width 2.40``."""
    return ", ".join(f"{name} {value:.2f}" for name, value in row.measures.items())


def not_judged(row: Row) -> int:
    """Return how many answers the grader had not judged in time, or broke on."""
    return row.grader_timeouts + row.grader_failures


def difference_text(compared: AtEqualCost) -> str:
    """Return a difference with its interval in points: ``+1.2 [-0.3, +2.8]``; a dash where there is none."""
    if compared.difference_low is None or compared.difference_high is None:
        return formats.points(compared.difference)
    low, high = formats.points(compared.difference_low), formats.points(compared.difference_high)
    return f"{formats.points(compared.difference)} [{low}, {high}]"


def saving_text(compared: AtEqualAccuracy) -> str:
    """Return a saving in per cent."""
    return formats.UNKNOWN if compared.saving is None else f"{100 * compared.saving:.0f} %"


def over_orders_text(average: Average | None) -> str:
    """Return the mean over drawn orders with its interval; empty where none were drawn."""
    if average is None:
        return ""
    interval = formats.interval(average.accuracy_low, average.accuracy_high)
    return f"{formats.percent(average.accuracy)} {interval}"
