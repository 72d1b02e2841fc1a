"""The evaluation suite under its public name; see `ttscale_evals`."""

from __future__ import annotations

from ttscale_evals import (
    AgentBenchmark,
    Attempt,
    Benchmark,
    Comparison,
    EvalConfig,
    EvalResult,
    Failure,
    Grade,
    PluginConfig,
    Progress,
    ProgressListener,
    Row,
    benchmark_names,
    create_benchmark,
    export_traces,
    load_result,
    load_rows,
    plan_comparison,
    run_comparison,
    run_eval,
)

__all__ = [
    "AgentBenchmark",
    "Attempt",
    "Benchmark",
    "Comparison",
    "EvalConfig",
    "EvalResult",
    "Failure",
    "Grade",
    "PluginConfig",
    "Progress",
    "ProgressListener",
    "Row",
    "benchmark_names",
    "create_benchmark",
    "export_traces",
    "load_result",
    "load_rows",
    "plan_comparison",
    "run_comparison",
    "run_eval",
]
