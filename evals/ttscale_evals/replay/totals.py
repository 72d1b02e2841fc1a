"""A strategy over all models and benchmarks of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ttscale.types import JSON
from ttscale_evals.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Rows of one strategy, in the recorded order of the samples, taken together."""

    strategy: str
    num_rows: int
    """One for each model and benchmark."""
    num_problems: int
    accuracy: float
    """Of all problems alike."""
    mean_accuracy: float
    """Of all rows alike, however many problems they have."""
    samples_per_problem: float
    tokens_per_problem: float
    critical_path_tokens_per_problem: float

    def to_json(self) -> dict[str, JSON]:
        """Return a plain JSON object."""
        return asdict(self)


def totals(rows: Sequence[Row]) -> list[Total]:
    """Return the totals of strategies that were brought to an end, in the order of their first rows."""
    by_strategy = dict[str, list[tuple[Row, float]]]()
    for row in rows:
        if row.accuracy is not None and row.num_problems and row.num_missing == 0:
            by_strategy.setdefault(row.strategy, []).append((row, row.accuracy))
    return [_total(strategy, members) for strategy, members in by_strategy.items()]


def _total(strategy: str, members: Sequence[tuple[Row, float]]) -> Total:
    count = sum(row.num_problems for row, _ in members)
    return Total(
        strategy=strategy,
        num_rows=len(members),
        num_problems=count,
        accuracy=sum(accuracy * row.num_problems for row, accuracy in members) / count,
        mean_accuracy=sum(accuracy for _, accuracy in members) / len(members),
        samples_per_problem=sum(row.samples for row, _ in members) / count,
        tokens_per_problem=sum(row.tokens for row, _ in members) / count,
        critical_path_tokens_per_problem=sum(row.critical_path_tokens for row, _ in members) / count,
    )
