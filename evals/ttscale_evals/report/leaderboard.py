"""The leaderboard as plain data: which columns, in which order, what is best; drawn by the renderers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

from ttscale_evals.replay.matched import AtEqualAccuracy, AtEqualCost, Average
from ttscale_evals.report import formats
from ttscale_evals.rows import Row

FEW_PROBLEMS: Final = 30
"""Below so many problems a footnote warns of wide intervals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: what it shows of a row, and what it is sorted by."""

    key: str
    title: str
    meaning: str
    """A sentence for readers who do not know the title."""
    text: Callable[[Row], str]
    value: Callable[[Row], float | str | None]
    """``None``: unknown, sorted last."""
    is_number: bool = True
    rank: int = 0
    """How dispensable it is where there is little room; 0: always shown, 4: never in a terminal."""
    where: Literal["always", "several models", "replay"] = "always"
    """What rows it is shown for."""


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


def _standing(row: Row) -> tuple[bool, float, float, str, str]:
    accuracy = -1.0 if row.accuracy is None else row.accuracy
    return row.is_bound, -accuracy, row.tokens_per_problem or 0.0, row.strategy, row.model


def cancelled_share(row: Row) -> float | None:
    """Return which part of the charged tokens was spent on samples that were stopped or failed, in [0, 1]."""
    return row.cancelled_tokens / row.tokens if row.tokens else None


def flops_per_problem(row: Row) -> float | None:
    """Return the mean forward floating-point operations of a problem."""
    return None if row.flops is None or not row.num_problems else row.flops / row.num_problems


def columns(rows: Sequence[Row], *, max_rank: int = 99) -> list[Column]:
    """Return the columns for these rows; some are there only where they have something to say.

    Args:
        rows: what will be shown.
        max_rank: leave out columns more dispensable than this.
    """
    shown = {
        "always": True,
        "several models": _has_several_models(rows),
        "replay": any(row.matched is not None for row in rows),
    }
    return [column for column in _COLUMNS if column.rank <= max_rank and shown[column.where]]


def _has_several_models(rows: Sequence[Row]) -> bool:
    return len({row.model for row in rows}) > 1


def footnotes(rows: Sequence[Row]) -> list[str]:
    """Return what a reader must know to read the numbers rightly."""
    notes = ["Intervals are 95 % confidence intervals over problems; failed problems count as wrong."]
    few = [row.num_problems for row in rows if row.num_problems < FEW_PROBLEMS]
    if few:
        notes.append(
            f"Some rows rest on as few as {min(few)} problems: intervals are wide, their order may be chance."
        )
    several_models = _has_several_models(rows)
    if any(row.matched is not None for row in rows):
        notes += _REPLAY_NOTES
    for row in rows:
        if row.refused is not None:
            notes.append(f"Refused on {row.benchmark} ({row.model}): {row.refused}")
        elif flaws := _flaws(row):
            model = f" ({row.model})" if several_models else ""
            notes.append(f"{row.strategy} on {row.benchmark}{model}: {'; '.join(flaws)}.")
    return notes


def _flaws(row: Row) -> list[str]:
    """Return whatever keeps a row from being every problem answered and judged."""
    without_failed = formats.percent(row.accuracy_errors_excluded)
    counts = {
        f"failed (accuracy without them {without_failed})": row.errors,
        "not begun, in no number": row.num_missing,
        "ended without an answer": row.unparsed,
        "not judged in time, counted as wrong": row.grader_timeouts,
        "broke the grader, counted as wrong": row.grader_failures,
        "samples cut off at their token limit": row.truncated,
    }
    return [f"{what}: {number}" for what, number in counts.items() if number]


def accuracy_text(row: Row) -> str:
    """Return accuracy with its interval: ``72.5 % [63.1, 79.8]``."""
    return f"{formats.percent(row.accuracy)} {formats.interval(row.accuracy_low, row.accuracy_high)}".rstrip()


def _over_orders_text(average: Average | None) -> str:
    if average is None:
        return ""
    interval = formats.interval(average.accuracy_low, average.accuracy_high)
    return f"{formats.percent(average.accuracy)} {interval}"


def difference_text(compared: AtEqualCost) -> str:
    """Return a difference with its interval in points: ``+1.2 [-0.3, +2.8]``; a dash where there is none."""
    if compared.difference_low is None or compared.difference_high is None:
        return formats.points(compared.difference)
    low, high = formats.points(compared.difference_low), formats.points(compared.difference_high)
    return f"{formats.points(compared.difference)} [{low}, {high}]"


def saving_text(compared: AtEqualAccuracy) -> str:
    """Return a saving in per cent."""
    return formats.UNKNOWN if compared.saving is None else f"{100 * compared.saving:.0f} %"


_REPLAY_NOTES: Final = (
    "Recorded samples: accuracy is in the order of the recording, seconds are those of the recording.",
    "= tokens, = path: accuracy minus that of the plain majority that costs the same, in points, over drawn "
    "orders; saved: share of the tokens that the majority needs for the same accuracy; a dash where there is "
    "no such majority.",
    "mean@n, pass@n: one recorded sample, and the right one of them if there is any; nothing was run for them.",
)


_COLUMNS: Final = (
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
        meaning="The model's URI.",
        text=lambda row: row.model,
        value=lambda row: row.model,
        is_number=False,
        where="several models",
    ),
    Column(
        key="accuracy",
        title="accuracy [95 %]",
        meaning="Share of problems answered rightly, with its 95 % confidence interval.",
        text=accuracy_text,
        value=lambda row: row.accuracy,
    ),
    Column(
        key="over_orders",
        title="over orders",
        meaning="Mean accuracy over drawn orders of the recorded samples, with its 95 % interval.",
        text=lambda row: _over_orders_text(row.average),
        value=lambda row: None if row.average is None else row.average.accuracy,
        rank=4,
        where="replay",
    ),
    Column(
        key="num_problems",
        title="n",
        meaning="Number of problems.",
        text=lambda row: formats.count(row.num_problems),
        value=lambda row: row.num_problems,
    ),
    Column(
        key="errors",
        title="errors",
        meaning="Problems that failed; they count as wrong.",
        text=lambda row: formats.count(row.errors),
        value=lambda row: row.errors,
    ),
    Column(
        key="tokens",
        title="tokens",
        meaning="Mean tokens of a problem: computed prompt, generated, cancelled and verifier tokens.",
        text=lambda row: formats.count(row.tokens_per_problem),
        value=lambda row: row.tokens_per_problem,
    ),
    Column(
        key="samples",
        title="samples",
        meaning="Mean samples of a problem that were started.",
        text=lambda row: formats.count(row.samples_per_problem),
        value=lambda row: row.samples_per_problem,
        rank=4,
        where="replay",
    ),
    Column(
        key="at_equal_tokens",
        title="= tokens",
        meaning="Accuracy minus that of the plain majority for the same tokens, in points, with its interval.",
        text=lambda row: "" if row.matched is None else difference_text(row.matched.at_equal_tokens),
        value=lambda row: None if row.matched is None else row.matched.at_equal_tokens.difference,
        rank=4,
        where="replay",
    ),
    Column(
        key="at_equal_critical_path",
        title="= path",
        meaning="Accuracy minus that of the plain majority with the same critical path, in points.",
        text=lambda row: "" if row.matched is None else difference_text(row.matched.at_equal_critical_path),
        value=lambda row: None if row.matched is None else row.matched.at_equal_critical_path.difference,
        rank=4,
        where="replay",
    ),
    Column(
        key="saving",
        title="saved",
        meaning="Share of the tokens saved that the plain majority needs for the same accuracy.",
        text=lambda row: "" if row.matched is None else saving_text(row.matched.at_equal_accuracy),
        value=lambda row: None if row.matched is None else row.matched.at_equal_accuracy.saving,
        rank=4,
        where="replay",
    ),
    Column(
        key="cancelled",
        title="cancelled",
        meaning="Share of the tokens spent on samples that were stopped.",
        text=lambda row: formats.percent(cancelled_share(row)),
        value=cancelled_share,
        rank=1,
    ),
    Column(
        key="latency_p50",
        title="p50 s",
        meaning="Median latency of a problem in seconds, while many run at once.",
        text=lambda row: formats.seconds(row.latency_p50_seconds),
        value=lambda row: row.latency_p50_seconds,
        rank=1,
    ),
    Column(
        key="latency_p95",
        title="p95 s",
        meaning="Latency in seconds that 95 % of the problems stay below.",
        text=lambda row: formats.seconds(row.latency_p95_seconds),
        value=lambda row: row.latency_p95_seconds,
        rank=2,
    ),
    Column(
        key="critical_path",
        title="path",
        meaning="Mean tokens on the longest chain of dependent work: latency on an engine of unlimited width.",
        text=lambda row: formats.count(row.critical_path_tokens_per_problem),
        value=lambda row: row.critical_path_tokens_per_problem,
        rank=2,
    ),
    Column(
        key="flops",
        title="FLOPs",
        meaning="Mean forward floating-point operations of a problem, from the model's size.",
        text=lambda row: formats.magnitude(flops_per_problem(row)),
        value=flops_per_problem,
        rank=3,
    ),
)
