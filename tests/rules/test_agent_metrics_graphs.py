"""Task graphs, makespan regret, latency ratios, and the use of tools by a trace."""

from __future__ import annotations

import json

import pytest

from ttscale.types import JSON
from ttscale_evals.metrics.graphs import TaskGraph
from ttscale_evals.metrics.makespan import latency_ratio, makespan_regret, mean_makespan_regret
from ttscale_evals.metrics.tool_use import ToolUse, tool_measures, tool_use
from ttscale_strategies.dag.graph import GraphError

GAME = TaskGraph(
    durations={"1": 180, "2": 60, "3": 30, "4": 90, "5": 30},
    edges=[("1", "2"), ("1", "3"), ("2", "4"), ("3", "4"), ("4", "5")],
)
"""How to create a video game, in days: arXiv 2402.02805."""


def test_work_critical_path_parallelism_and_width_of_the_video_game() -> None:
    assert GAME.shape.critical_path_seconds == 360
    assert GAME.shape.seconds == 390
    assert GAME.shape.parallelism == pytest.approx(390 / 360)
    assert GAME.shape.max_width == 2


def test_a_graph_is_plain_json_and_back() -> None:
    assert TaskGraph.from_json(json.loads(json.dumps(GAME.to_json()))) == GAME


def test_a_graph_is_calls_of_one_tool_for_an_executor() -> None:
    calls = GAME.nodes("wait")
    assert [(call.id, call.sources, call.arguments["seconds"]) for call in calls][3] == ("4", ("2", "3"), 90)
    assert {call.tool for call in calls} == {"wait"}


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(ValueError, match="'b', which is no task"):
        TaskGraph(durations={"a": 1}, edges=[("a", "b")])
    with pytest.raises(ValueError, match="durations must be >= 0"):
        TaskGraph(durations={"a": -1})
    with pytest.raises(GraphError, match="circle"):
        TaskGraph(durations={"a": 1, "b": 1}, edges=[("a", "b"), ("b", "a")])


def test_regret_is_the_makespan_over_the_optimum() -> None:
    assert makespan_regret(390, GAME.shape.critical_path_seconds) == pytest.approx(1.0833, abs=1e-4)
    assert makespan_regret(1, 0) is None
    assert mean_makespan_regret([(3, 2), (2, 2), (1, 0)]) == 1.25
    assert mean_makespan_regret([]) is None
    with pytest.raises(ValueError, match="makespan must be >= 0"):
        makespan_regret(float("nan"), 1)


def test_the_latency_ratio_is_that_of_the_means() -> None:
    assert latency_ratio([7.12], [3.95]) == pytest.approx(1.80, abs=0.005)  # LLMCompiler on HotpotQA
    assert latency_ratio([20.47, 35.90], [5.47, 16.69]) == pytest.approx(56.37 / 22.16)
    assert latency_ratio([], []) is None
    with pytest.raises(ValueError, match="2 and 1 problems"):
        latency_ratio([1, 2], [1])


# ── the use of tools ──────────────────────────────────────────────────────────────────────────────────────


def span(start: float, end: float | None, kind: str = "tool", error: str | None = None) -> dict[str, JSON]:
    return {"kind": kind, "start": start, "end": end, "attributes": {"error": error}}


def test_work_busy_time_and_width_of_calls() -> None:
    # three calls: 0-2 and 1-4 overlap by 1; 6-7 stands alone: W = 2+3+1, busy = 4+1
    trace = [span(0, 2), span(1, 4, error="no"), span(6, 7), span(0, 9, "sample"), span(5, None)]
    use = tool_use(trace)
    assert use == ToolUse(
        num_calls=3, num_errors=1, work_seconds=6, busy_seconds=5, makespan_seconds=7, width=2
    )
    assert tool_measures(trace) == {
        "tool_calls": 3.0,
        "tool_errors": 1.0,
        "tool_width": 2.0,
        "tool_parallelism": 1.2,
    }
    assert tool_measures(trace, optimum_seconds=3.5)["makespan_regret"] == 2.0


def test_calls_one_after_another_are_not_at_once() -> None:
    use = tool_use([span(0, 1), span(1, 2)])
    assert use is not None
    assert (use.width, use.parallelism) == (1, 1.0)


def test_calls_that_take_no_time_have_no_parallelism() -> None:
    assert tool_measures([span(1, 1), span(1, 1)]) == {"tool_calls": 2.0, "tool_errors": 0.0, "tool_width": 1.0}
    assert tool_measures([span(0, 1, "sample")]) == {}
