"""Pure rules of threads: traces as trees, joins, and what the papers measure."""

from __future__ import annotations

from ttscale_strategies.threads.rules.finishing import Finish
from ttscale_strategies.threads.rules.latency import (
    AprTokens,
    ParallelBlock,
    TokenLatency,
    apr_tokens,
    count_words,
    multiverse_parallelism,
    speed_up,
    token_latency,
)
from ttscale_strategies.threads.rules.parallel_prompt_checks import Confidence, confidence, doubt
from ttscale_strategies.threads.rules.parallel_prompt_lists import schema_by_rules
from ttscale_strategies.threads.rules.parallel_prompt_schema import PromptSchema, Refused, read_schema
from ttscale_strategies.threads.rules.parallel_prompt_speed import (
    Timed,
    end_to_end,
    normalized_speed_up,
    raw_speed_up,
)
from ttscale_strategies.threads.rules.trace import (
    CUT,
    Block,
    Branch,
    Ended,
    Trace,
    Words,
    missing_closes,
    without_tail,
)

__all__ = [
    "CUT",
    "AprTokens",
    "Block",
    "Branch",
    "Confidence",
    "Ended",
    "Finish",
    "ParallelBlock",
    "PromptSchema",
    "Refused",
    "Timed",
    "TokenLatency",
    "Trace",
    "Words",
    "apr_tokens",
    "confidence",
    "count_words",
    "doubt",
    "end_to_end",
    "missing_closes",
    "multiverse_parallelism",
    "normalized_speed_up",
    "raw_speed_up",
    "read_schema",
    "schema_by_rules",
    "speed_up",
    "token_latency",
    "without_tail",
]
