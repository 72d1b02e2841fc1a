"""Benchmarks: where problems come from, and how answers are graded."""

from __future__ import annotations

from typing import Final

from ttscale_evals.benchmarks.base import Benchmark, Grade
from ttscale_evals.benchmarks.create import benchmark_names, create_benchmark

BUILTINS: Final = {
    "aime24": "ttscale_evals.benchmarks.hub:Aime24",
    "aime25": "ttscale_evals.benchmarks.hub:Aime25",
    "amc23": "ttscale_evals.benchmarks.hub:Amc23",
    "gsm8k": "ttscale_evals.benchmarks.hub:Gsm8k",
    "jsonl": "ttscale_evals.benchmarks.jsonl:JsonlBenchmark",
    "math500": "ttscale_evals.benchmarks.hub:Math500",
    "pool": "ttscale_evals.benchmarks.pool:PoolBenchmark",
    "reasoning_gym": "ttscale_evals.benchmarks.reasoning_gym:ReasoningGymBenchmark",
}
"""Built-in benchmarks, name to ``"module:Class"``; every reasoning-gym set can be named as well."""

__all__ = ["BUILTINS", "Benchmark", "Grade", "benchmark_names", "create_benchmark"]
