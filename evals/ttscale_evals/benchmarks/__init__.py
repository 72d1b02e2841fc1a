"""Benchmarks: where problems come from, and how answers are graded."""

from __future__ import annotations

from typing import Final

from ttscale_evals.benchmarks.base import AgentBenchmark, Attempt, Benchmark, Grade
from ttscale_evals.benchmarks.create import benchmark_names, create_benchmark

BUILTINS: Final = {
    "aime24": "ttscale_evals.benchmarks.hub:Aime24",
    "aime25": "ttscale_evals.benchmarks.hub:Aime25",
    "amc23": "ttscale_evals.benchmarks.hub:Amc23",
    "asynchow": "ttscale_evals.benchmarks.agents.async_how:AsyncHow",
    "atlas": "ttscale_evals.benchmarks.agents.atlas:InventedAtlas",
    "bfcl_parallel": "ttscale_evals.benchmarks.agents.bfcl:BfclParallel",
    "chain_sum_tools": "ttscale_evals.benchmarks.agents.sums:ChainSumWithTools",
    "fanoutqa": "ttscale_evals.benchmarks.agents.fan_out_qa:FanOutQa",
    "game24": "ttscale_evals.benchmarks.agents.game24:GameOf24",
    "gsm8k": "ttscale_evals.benchmarks.hub:Gsm8k",
    "hotpotqa_comparison": "ttscale_evals.benchmarks.agents.hotpot_qa:HotpotQaComparison",
    "jsonl": "ttscale_evals.benchmarks.jsonl:JsonlBenchmark",
    "leg_counting_tools": "ttscale_evals.benchmarks.agents.sums:LegCountingWithTools",
    "math500": "ttscale_evals.benchmarks.hub:Math500",
    "movie_recommendation": "ttscale_evals.benchmarks.agents.movies:MovieRecommendation",
    "parallelqa": "ttscale_evals.benchmarks.agents.parallel_qa:ParallelQa",
    "pool": "ttscale_evals.benchmarks.pool:PoolBenchmark",
    "reasoning_gym": "ttscale_evals.benchmarks.reasoning_gym:ReasoningGymBenchmark",
    "tau2_mock": "ttscale_evals.benchmarks.agents.tau2_mock:Tau2Mock",
}
"""Built-in benchmarks, name to ``"module:Class"``; every reasoning-gym set can be named as well."""

__all__ = ["BUILTINS", "AgentBenchmark", "Attempt", "Benchmark", "Grade", "benchmark_names", "create_benchmark"]
