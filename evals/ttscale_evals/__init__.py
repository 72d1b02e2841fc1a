"""The evaluation suite: benchmarks, statistics, a run store, and the runner that ties them together."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ttscale_evals.benchmarks import (
        AgentBenchmark,
        Attempt,
        Benchmark,
        Grade,
        benchmark_names,
        create_benchmark,
    )
    from ttscale_evals.config import EvalConfig, PluginConfig
    from ttscale_evals.derived import export_traces
    from ttscale_evals.progress import Progress, ProgressListener
    from ttscale_evals.replay.comparison import plan_comparison, run_comparison
    from ttscale_evals.replay.expand import Comparison
    from ttscale_evals.result import EvalResult, Failure, load_result, load_rows
    from ttscale_evals.rows import Row
    from ttscale_evals.runner import run_eval

# Public names by module; imported on first use, so that finding the commands in here stays quick.
_HOMES: Final = {
    "AgentBenchmark": "ttscale_evals.benchmarks",
    "Attempt": "ttscale_evals.benchmarks",
    "Benchmark": "ttscale_evals.benchmarks",
    "Comparison": "ttscale_evals.replay.expand",
    "EvalConfig": "ttscale_evals.config",
    "EvalResult": "ttscale_evals.result",
    "Failure": "ttscale_evals.result",
    "Grade": "ttscale_evals.benchmarks",
    "PluginConfig": "ttscale_evals.config",
    "Progress": "ttscale_evals.progress",
    "ProgressListener": "ttscale_evals.progress",
    "Row": "ttscale_evals.rows",
    "benchmark_names": "ttscale_evals.benchmarks",
    "create_benchmark": "ttscale_evals.benchmarks",
    "export_traces": "ttscale_evals.derived",
    "load_result": "ttscale_evals.result",
    "load_rows": "ttscale_evals.result",
    "plan_comparison": "ttscale_evals.replay.comparison",
    "run_comparison": "ttscale_evals.replay.comparison",
    "run_eval": "ttscale_evals.runner",
}

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


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ttscale_evals' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
