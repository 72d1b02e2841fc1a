"""Where the rows of a replay stand: over drawn orders, and against the reference at matched compute."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ttscale_evals.replay.matched import Average, Matched, Measured, average, compare
from ttscale_evals.replay.reference import Reference
from ttscale_evals.replay.trials import TrialStore, mean_of
from ttscale_evals.store import Result, StoredCell


class Standing:
    """Reads a run's drawn orders and says what its rows come to.

    Args:
        trials: of the run.
        num_orders: how many were to be drawn; 0: rows are compared in the recorded order.
        seed: of the bootstrap.
    """

    def __init__(self, trials: TrialStore, *, num_orders: int, seed: int) -> None:
        self._trials = trials
        self._num_orders = num_orders
        self._seed = seed
        self.refusals = trials.refusals()
        self.references = trials.references()

    def of(self, cell: StoredCell, results: Sequence[Result]) -> tuple[Average | None, Matched | None]:
        """Return a row's average over drawn orders and its comparison; ``None``: not done to its end.

        Args:
            cell: the row's.
            results: in the recorded order of the samples, by position.
        """
        reference = self.references.get((cell.benchmark, cell.model), self.references.get((cell.benchmark, "")))
        if self._num_orders == 0:
            if len(results) != cell.num_problems or any(result.is_failed for result in results):
                return None, None
            return None, self._compare(_measured(results), reference)
        trials = self._trials.trials(cell.number)
        if len(trials) < self._num_orders:
            return None, None
        measured = mean_of(trials)
        over_orders = average(measured, num_orders=len(trials), seed=self._seed)
        return over_orders, self._compare(measured, reference)

    def _compare(self, measured: Measured, reference: Reference | None) -> Matched | None:
        if reference is None:
            return None
        curve = reference.recorded if reference.shuffled is None else reference.shuffled
        if len(curve.correct) != len(measured.correct):
            return None
        n = reference.num_samples
        return compare(
            measured, curve, seed=self._seed, reference=f"majority of the first k of {n} samples, k = 1 to {n}"
        )


def _measured(results: Sequence[Result]) -> Measured:
    """Return what the recorded order came to."""
    outcomes = [result.outcome for result in results]
    return Measured(
        correct=np.array([float(result.grade.correct) for result in results]),
        tokens=np.array([float(outcome.usage.tokens) for outcome in outcomes]),
        samples=np.array([float(outcome.usage.calls) for outcome in outcomes]),
        critical_path_tokens=np.array([float(outcome.critical_path_tokens) for outcome in outcomes]),
        seconds=np.array([outcome.seconds for outcome in outcomes]),
    )
