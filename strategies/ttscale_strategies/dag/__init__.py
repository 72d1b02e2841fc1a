"""Tool plans as graphs: every call begins the moment its inputs exist, and errors are observations."""

from __future__ import annotations

from ttscale_strategies.dag.agent_best_of_n import AgentBestOfN
from ttscale_strategies.dag.candidates_crossover import CandidatesCrossover
from ttscale_strategies.dag.code_monkeys import CodeMonkeys
from ttscale_strategies.dag.dynamic_speculative_planning import DynamicSpeculativePlanning
from ttscale_strategies.dag.executor import Executor
from ttscale_strategies.dag.flash_searcher import FlashSearcher
from ttscale_strategies.dag.graph import Graph, GraphError, Need, Node
from ttscale_strategies.dag.llm_compiler import LLMCompiler
from ttscale_strategies.dag.parallel_muse import ParallelMuse
from ttscale_strategies.dag.plan_over_graph import PlanOverGraph
from ttscale_strategies.dag.react import ReAct
from ttscale_strategies.dag.wide_and_deep import WideAndDeep

__all__ = [
    "AgentBestOfN",
    "CandidatesCrossover",
    "CodeMonkeys",
    "DynamicSpeculativePlanning",
    "Executor",
    "FlashSearcher",
    "Graph",
    "GraphError",
    "LLMCompiler",
    "Need",
    "Node",
    "ParallelMuse",
    "PlanOverGraph",
    "ReAct",
    "WideAndDeep",
]
