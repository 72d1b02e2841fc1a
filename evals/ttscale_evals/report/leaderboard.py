"""The leaderboard as plain data: rows in order, what is best, what a reader must know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from ttscale_evals.report import formats
from ttscale_evals.report.naming import Naming
from ttscale_evals.rows import Row

FEW_PROBLEMS: Final = 30
"""Below so many problems a footnote warns of wide intervals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The rows of one benchmark, the most accurate first."""

    benchmark: str
    rows: tuple[Row, ...]

    def is_best(self, row: Row) -> bool:
        """Whether no other row of the group that was run is more accurate."""
        return not row.is_bound and row.accuracy is not None and row.accuracy == self.rows[0].accuracy


def group_rows(rows: Sequence[Row]) -> list[Group]:
    """Return the rows by benchmark, benchmarks in the order of their first row.

    Within a benchmark they are sorted by accuracy, then by tokens per problem, fewer first; what was not run
    comes last.
    """
    order = {name: position for position, name in reversed(list(enumerate(row.benchmark for row in rows)))}
    ordered = sorted(rows, key=lambda row: (order[row.benchmark], *_standing(row)))
    return [
        Group(benchmark=benchmark, rows=tuple(members))
        for benchmark, members in groupby(ordered, key=lambda row: row.benchmark)
    ]


def _standing(row: Row) -> tuple[bool, float, float, str, str, str]:
    accuracy = -1.0 if row.accuracy is None else row.accuracy
    return row.is_bound, -accuracy, row.tokens_per_problem or 0.0, row.strategy, row.model, row.budget


def footnotes(rows: Sequence[Row]) -> list[str]:
    """Return what a reader must know to read the numbers rightly."""
    notes = ["Intervals are 95 % confidence intervals over problems; failed problems count as wrong."]
    few = [row.num_problems for row in rows if row.num_problems < FEW_PROBLEMS]
    if few:
        notes.append(
            f"Some rows rest on as few as {min(few)} problems: intervals are wide, their order may be chance."
        )
    naming = Naming(rows)
    notes += _circumstances(rows)
    if any(row.matched is not None for row in rows):
        notes += _REPLAY_NOTES
    for row in rows:
        if row.refused is not None:
            notes.append(f"Refused on {row.benchmark} ({row.model}): {row.refused}")
        elif flaws := _flaws(row):
            more = [*naming.model(row), *naming.budget(row)]
            which = f" ({', '.join(more)})" if more else ""
            notes.append(f"{row.strategy} on {row.benchmark}{which}: {'; '.join(flaws)}.")
    return notes


def _circumstances(rows: Sequence[Row]) -> list[str]:
    """Return what seconds and dollars depend on beside the row's own strategy."""
    notes = list[str]()
    at_once = sorted({row.concurrency for row in rows if row.concurrency is not None and not row.is_replayed})
    if at_once:
        listed = " or ".join(map(str, at_once))
        plural = "" if at_once == [1] else "s"
        notes.append(f"Seconds were measured while up to {listed} problem{plural} were at work at once.")
    priced = {(row.price_date, row.price_file) for row in rows if row.price_date is not None}
    for date, file in sorted((date or "", Path(file or "a file").name) for date, file in priced):
        notes.append(f"Dollars are by the prices of {date} ({file}).")
    return notes


def _flaws(row: Row) -> list[str]:
    """Return whatever keeps a row from being every problem answered and judged."""
    without_failed = f"accuracy without them {formats.percent(row.accuracy_errors_excluded)}"
    if row.accuracy_supportable_high is not None:
        low, high = map(formats.percent, (row.accuracy_supportable_low, row.accuracy_supportable_high))
        without_failed += f", between {low} and {high} whatever they would have been"
    counts = {
        f"failed ({without_failed})": row.errors,
        "not begun, in no number": row.num_missing,
        "ended without an answer": row.unparsed,
        "not judged in time, counted as wrong": row.grader_timeouts,
        "broke the grader, counted as wrong": row.grader_failures,
        "samples cut off at their token limit": row.truncated,
        "tokens reused from a sample bank, where seconds are those of the recording": row.reused_tokens,
    }
    return [f"{what}: {number}" for what, number in counts.items() if number]


_REPLAY_NOTES: Final = (
    "Recorded samples: accuracy is in the order of the recording, seconds are those of the recording.",
    "= tokens, = path: accuracy minus that of the plain majority that costs the same, in points, over drawn "
    "orders; saved: share of the tokens that the majority needs for the same accuracy; a dash where there is "
    "no such majority.",
    "mean@n, pass@n: one recorded sample, and the right one of them if there is any; nothing was run for them.",
)
