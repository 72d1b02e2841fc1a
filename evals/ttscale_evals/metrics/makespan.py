"""How far from the optimum a schedule was, and how much faster one agent is than another."""

from __future__ import annotations

import math
from collections.abc import Sequence


def makespan_regret(makespan: float, optimum: float) -> float | None:
    """Return how many times as long as the optimum something took, at least 1 where both are measured alike.

    Args:
        makespan: what was achieved, from the first task's beginning to the last one's end.
        optimum: the critical path of the graph (`TaskGraph.shape`), with unlimited workers, in the same unit.

    Returns:
        makespan / optimum; ``None`` where the optimum is 0.

    Raises:
        ValueError: one of them is negative or no number.
    """
    for name, value in (("makespan", makespan), ("optimum", optimum)):
        if not 0 <= value < math.inf:
            raise ValueError(f"the {name} must be >= 0, got {value!r}")
    return makespan / optimum if optimum > 0 else None


def mean_makespan_regret(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return the mean of `makespan_regret` over problems, (makespan, optimum) each; ``None`` of none."""
    regrets = [regret for pair in pairs if (regret := makespan_regret(*pair)) is not None]
    return math.fsum(regrets) / len(regrets) if regrets else None


def latency_ratio(baseline_seconds: Sequence[float], seconds: Sequence[float]) -> float | None:
    """Return how many times faster than a baseline something is: mean latency over mean latency.

    LLMCompiler (arXiv 2312.04511) reports it against ReAct with guards against early stops and repetition, on
    the same problems: 7.12 s over 3.95 s is 1.80.

    Args:
        baseline_seconds: of each problem, shape [num_problems].
        seconds: of each of the same problems, shape [num_problems].

    Returns:
        > 1 is faster; ``None`` of no problems, or where no time passed.

    Raises:
        ValueError: the shapes differ.
    """
    if len(baseline_seconds) != len(seconds):
        raise ValueError(f"latencies of {len(baseline_seconds)} and {len(seconds)} problems cannot be compared")
    total = math.fsum(seconds)
    return math.fsum(baseline_seconds) / total if total > 0 else None
