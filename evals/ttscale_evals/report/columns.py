"""The leaderboard's columns as plain data: what each shows of a row, and how that is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ttscale_evals.metrics import Basis
from ttscale_evals.report import formats
from ttscale_evals.report.column import Column, Rows, always, any_of, number_column, several
from ttscale_evals.report.more_columns import MORE
from ttscale_evals.report.row_texts import (
    accuracy_text,
    cancelled_share,
    difference_text,
    errors_text,
    flops_per_problem,
    measures_text,
    not_judged,
    over_orders_text,
    saving_text,
    usd_per_problem,
)
from ttscale_evals.rows import known_of


def columns(rows: Rows, *, max_rank: int = 99, more: bool = False) -> list[Column]:
    """Return the columns for these rows; some are there only where they have something to say.

    Args:
        rows: what will be shown.
        max_rank: leave out columns more dispensable than this.
        more: add those that only readers who ask for them see.
    """
    shown = [column for column in _COLUMNS if column.rank <= max_rank and column.where(rows)]
    return [column for column in shown if more or not column.is_more]


def bases(shown: Sequence[Column], rows: Rows) -> dict[str, Basis]:
    """Return of each column that shows a number how that is known, by the column's key."""
    known = known_of(rows)
    return {column.key: known[column.field] for column in shown if column.field}


def known_note(shown: Sequence[Column], rows: Rows) -> str:
    """Return in a sentence how the numbers of columns are known."""
    titles: dict[Basis, list[str]] = {"measured": [], "derived": [], "modelled": []}
    found = bases(shown, rows)
    for column in shown:
        if column.key in found:
            titles[found[column.key]].append(column.title)
    return "; ".join(f"{basis}: {', '.join(names)}" for basis, names in titles.items() if names) + "."


def _is_replay(rows: Rows) -> bool:
    return any(row.matched is not None for row in rows)


_NAMES: Final = (
    Column(
        key="strategy",
        title="strategy",
        meaning="The strategy and its parameters.",
        text=lambda row: row.strategy,
        value=lambda row: row.strategy,
        is_number=False,
    ),
    Column(
        key="model",
        title="model",
        meaning="What the model is called: its URI or label.",
        text=lambda row: row.model,
        value=lambda row: row.model,
        is_number=False,
        where=several(lambda row: row.model),
    ),
    Column(
        key="budget",
        title="budget",
        meaning="Limits of a problem.",
        text=lambda row: row.budget or "none",
        value=lambda row: row.budget,
        is_number=False,
        where=several(lambda row: row.budget),
    ),
)

_ANSWERS: Final = (
    Column(
        key="accuracy",
        title="accuracy [95 %]",
        meaning="Share of problems answered rightly, with its 95 % confidence interval.",
        text=accuracy_text,
        value=lambda row: row.accuracy,
        field="accuracy",
    ),
    Column(
        key="errors_excluded",
        title="errors excluded [range]",
        meaning="Accuracy without failed problems, and from all of these wrong to all of them right.",
        text=errors_text,
        value=lambda row: row.accuracy_errors_excluded,
        field="accuracy_errors_excluded",
        rank=5,
        where=any_of(lambda row: row.errors),
    ),
    Column(
        key="over_orders",
        title="over orders",
        meaning="Mean accuracy over drawn orders of the recorded samples, with its 95 % interval.",
        text=lambda row: over_orders_text(row.average),
        value=lambda row: None if row.average is None else row.average.accuracy,
        field="average",
        rank=5,
        where=_is_replay,
    ),
    number_column(
        "num_problems",
        "n",
        "Number of problems.",
        lambda row: row.num_problems,
        field="num_problems",
        rank=0,
        where=always,
        is_more=False,
    ),
    number_column(
        "errors",
        "errors",
        "Problems that failed; they count as wrong.",
        lambda row: row.errors,
        field="errors",
        rank=0,
        where=always,
        is_more=False,
    ),
    Column(
        key="measures",
        title="measures",
        meaning="Means of what the benchmark measures beside right and wrong, and of tools and threads.",
        text=measures_text,
        value=measures_text,
        field="measures",
        is_number=False,
        rank=4,
        where=lambda rows: any(row.measures for row in rows),
    ),
)

_COSTS: Final = (
    number_column(
        "tokens",
        "tokens",
        "Mean tokens of a problem: computed prompt, generated, cancelled and verifier tokens.",
        lambda row: row.tokens_per_problem,
        field="tokens_per_problem",
        rank=0,
        where=always,
        is_more=False,
    ),
    number_column(
        "samples",
        "samples",
        "Mean samples of a problem that were started.",
        lambda row: row.samples_per_problem,
        field="samples_per_problem",
        where=_is_replay,
        is_more=False,
    ),
    Column(
        key="at_equal_tokens",
        title="= tokens",
        meaning="Accuracy minus that of the plain majority for the same tokens, in points, with its interval.",
        text=lambda row: "" if row.matched is None else difference_text(row.matched.at_equal_tokens),
        value=lambda row: None if row.matched is None else row.matched.at_equal_tokens.difference,
        field="matched",
        rank=5,
        where=_is_replay,
    ),
    Column(
        key="at_equal_critical_path",
        title="= path",
        meaning="Accuracy minus that of the plain majority with the same critical path, in points.",
        text=lambda row: "" if row.matched is None else difference_text(row.matched.at_equal_critical_path),
        value=lambda row: None if row.matched is None else row.matched.at_equal_critical_path.difference,
        field="matched",
        rank=5,
        where=_is_replay,
    ),
    Column(
        key="saving",
        title="saved",
        meaning="Share of the tokens saved that the plain majority needs for the same accuracy.",
        text=lambda row: "" if row.matched is None else saving_text(row.matched.at_equal_accuracy),
        value=lambda row: None if row.matched is None else row.matched.at_equal_accuracy.saving,
        field="matched",
        rank=5,
        where=_is_replay,
    ),
    number_column(
        "cancelled",
        "cancelled",
        "Share of the tokens spent on samples that were stopped.",
        cancelled_share,
        formats.percent,
        field="cancelled_tokens",
        rank=1,
        where=always,
        is_more=False,
    ),
    number_column(
        "latency_p50",
        "p50 s",
        "Median latency of a problem in seconds, while many run at once.",
        lambda row: row.latency_p50_seconds,
        formats.seconds,
        field="latency_p50_seconds",
        rank=1,
        where=always,
        is_more=False,
    ),
    number_column(
        "latency_p95",
        "p95 s",
        "Latency in seconds that 95 % of the problems stay below.",
        lambda row: row.latency_p95_seconds,
        formats.seconds,
        field="latency_p95_seconds",
        rank=2,
        where=always,
        is_more=False,
    ),
    number_column(
        "critical_path",
        "path",
        "Mean tokens on the longest chain of dependent work: latency on an engine of unlimited width.",
        lambda row: row.critical_path_tokens_per_problem,
        field="critical_path_tokens_per_problem",
        rank=2,
        where=always,
        is_more=False,
    ),
    number_column(
        "flops",
        "FLOPs",
        "Mean forward floating-point operations of a problem, from the model's size.",
        flops_per_problem,
        formats.magnitude,
        field="flops",
        rank=3,
        where=always,
        is_more=False,
    ),
    number_column(
        "usd",
        "USD",
        "Mean US dollars of a problem, by a dated price file.",
        usd_per_problem,
        formats.dollars,
        field="usd",
        rank=4,
        where=lambda rows: any(row.price_date is not None and row.usd is not None for row in rows),
        is_more=False,
    ),
)

_FLAWS: Final = (
    number_column(
        "missing",
        "missing",
        "Problems planned and not done; in no other number.",
        lambda row: row.num_missing,
        field="num_missing",
        rank=4,
        is_more=False,
    ),
    number_column(
        "unparsed",
        "unparsed",
        "Problems that ended without an answer; they count as wrong.",
        lambda row: row.unparsed,
        field="unparsed",
        rank=4,
        is_more=False,
    ),
    number_column(
        "truncated",
        "truncated",
        "Samples that were cut off at their token limit.",
        lambda row: row.truncated,
        field="truncated",
        rank=4,
        is_more=False,
    ),
    number_column(
        "late",
        "not judged",
        "Answers that the grader had not judged in time, or broke on; count as wrong.",
        not_judged,
        field="grader_timeouts",
        rank=4,
        is_more=False,
    ),
)

_COLUMNS: Final = (*_NAMES, *_ANSWERS, *_COSTS, *_FLAWS, *MORE)
