"""What the tool calls of a problem had in common in time, from the spans of its trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ttscale.types import JSON
from ttscale_evals.metrics.makespan import makespan_regret


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """The tool calls of one problem; seconds are those of the run's clock."""

    num_calls: int
    num_errors: int
    """Calls that came back with an error."""
    work_seconds: float
    """W: the sum of the calls' durations."""
    busy_seconds: float
    """How long at least one call was at work: work less what overlapped."""
    makespan_seconds: float
    """From the beginning of the first call to the end of the last one, the model's writing between them too."""
    width: int
    """Most calls at work at once; a call that ends when another begins is not beside it."""

    @property
    def parallelism(self) -> float | None:
        """Work over busy seconds, at least 1: calls at work at once on average; ``None``: no time passed."""
        return self.work_seconds / self.busy_seconds if self.busy_seconds > 0 else None


def tool_use(trace: Sequence[Mapping[str, JSON]]) -> ToolUse | None:
    """Return how a problem's tools were used; ``None``: no call has ended.

    The counterpart, as it came about, of work W, critical path L and parallelism P = W / L of a plan (UFO³,
    arXiv 2511.11332; see `ttscale_evals.metrics.graphs`). Busy time stands for L: what was waited for beside
    tools, the model say, is in neither.

    Args:
        trace: spans, as in `Outcome.trace`.
    """
    spans = [span for span in trace if span["kind"] == "tool" and span["end"] is not None]
    if not spans:
        return None
    intervals = [(cast("float", span["start"]), cast("float", span["end"])) for span in spans]
    attributes = [cast("Mapping[str, JSON]", span["attributes"]) for span in spans]
    busy, width = _overlap(intervals)
    return ToolUse(
        num_calls=len(spans),
        num_errors=sum(own.get("error") is not None for own in attributes),
        work_seconds=sum(end - start for start, end in intervals),
        busy_seconds=busy,
        makespan_seconds=max(end for _, end in intervals) - min(start for start, _ in intervals),
        width=width,
    )


def tool_measures(
    trace: Sequence[Mapping[str, JSON]], *, optimum_seconds: float | None = None
) -> dict[str, float]:
    """Return what a row is told of the use of tools: calls, errors, width, parallelism; empty without calls.

    Args:
        trace: spans, as in `Outcome.trace`.
        optimum_seconds: the least makespan of the problem's calls, where it is known: then `makespan_regret`
            is told too.
    """
    use = tool_use(trace)
    if use is None:
        return {}
    known = {"tool_calls": float(use.num_calls), "tool_errors": float(use.num_errors)}
    parallelism = {} if use.parallelism is None else {"tool_parallelism": use.parallelism}
    regret = makespan_regret(use.makespan_seconds, optimum_seconds or 0.0)
    own = {} if regret is None else {"makespan_regret": regret}
    return {**known, "tool_width": float(use.width), **parallelism, **own}


def _overlap(intervals: Sequence[tuple[float, float]]) -> tuple[float, int]:
    """Return the length of the union of intervals, and the most of them that hold one instant.

    Intervals without length overlap with nothing: they count as one where there are no others.
    """
    lasting = [(start, end) for start, end in intervals if end > start]
    events = sorted([(start, 1) for start, _ in lasting] + [(end, -1) for _, end in lasting])
    busy, width, depth, since = 0.0, 1, 0, 0.0
    for time, change in events:
        if depth:
            busy += time - since
        depth, since = depth + change, time
        width = max(width, depth)
    return busy, width
