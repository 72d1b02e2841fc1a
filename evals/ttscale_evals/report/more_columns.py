"""Columns that only readers who ask for them see: tokens by kind, latency by how it ended, caches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ttscale_evals.metrics import Latency
from ttscale_evals.report import formats
from ttscale_evals.report.column import Column, Number, number_column, per_problem
from ttscale_evals.rows import Row


def _of(latency: Callable[[Row], Latency | None], name: str) -> Number:
    def number(row: Row) -> float | None:
        found = latency(row)
        value: float | None = None if found is None else getattr(found, name)
        return value

    return number


def _split_latencies() -> tuple[Column, ...]:
    """Return percentiles of finished and of failed problems."""
    kinds: tuple[tuple[str, Callable[[Row], Latency | None]], ...] = (
        ("finished", lambda row: row.latency_finished),
        ("failed", lambda row: row.latency_failed),
    )
    return tuple(
        number_column(
            f"latency_{kind}_p{percent}",
            f"p{percent} s {kind}",
            f"Latency in seconds that {percent} % of the {kind} problems stay below.",
            _of(latency, f"p{percent}_seconds"),
            formats.seconds,
            field=f"latency_{kind}",
        )
        for kind, latency in kinds
        for percent in (50, 90, 95, 99)
    )


def _sharing(name: str) -> Number:
    def number(row: Row) -> float | None:
        value: float | None = None if row.sharing is None else getattr(row.sharing, name)
        return value

    return number


def _mean_sharing(name: str) -> Number:
    return per_problem(_sharing(name))


MORE: Final = (
    number_column(
        "prompt",
        "prompt",
        "Mean prompt tokens of a problem that were computed for the strategy's samples.",
        per_problem(lambda row: row.prompt_tokens_computed),
        field="prompt_tokens_computed",
    ),
    number_column(
        "cached",
        "cached",
        "Mean prompt tokens of a problem from a cache, or shared; not in tokens.",
        per_problem(lambda row: row.prompt_tokens_cached),
        field="prompt_tokens_cached",
    ),
    number_column(
        "shared",
        "shared",
        "Mean prompt tokens of a problem, verifiers' included, that had been computed for it before.",
        _mean_sharing("shared"),
        field="sharing",
    ),
    number_column(
        "unshared",
        "unshared",
        "Mean of the other prompt tokens: what is computed at least, every token of a shared prefix once.",
        _mean_sharing("unshared"),
        field="sharing",
    ),
    number_column(
        "over_ideal",
        "× ideal",
        "Computed prompt tokens over the unshared ones; 1.00 is ideal.",
        _sharing("computed_over_ideal"),
        formats.ratio,
        field="sharing",
    ),
    number_column(
        "over_blocks",
        "× blocks",
        "Computed prompt tokens over those of an engine that reuses whole blocks of its cache.",
        _sharing("computed_over_blocks"),
        formats.ratio,
        field="sharing",
    ),
    number_column(
        "nodes",
        "nodes",
        "Mean nodes of a problem's search trees.",
        per_problem(lambda row: sum(row.nodes.values()) if row.nodes else None),
        field="nodes",
    ),
    number_column(
        "generated",
        "generated",
        "Mean tokens of a problem in samples that ended on their own.",
        per_problem(lambda row: row.generated_tokens),
        field="generated_tokens",
    ),
    number_column(
        "verifier",
        "verifier",
        "Mean tokens of a problem that verifiers read and wrote.",
        per_problem(lambda row: row.verifier_tokens),
        field="verifier_tokens",
    ),
    number_column(
        "concurrency",
        "at once",
        "Most problems at work at once while seconds were measured.",
        lambda row: row.concurrency,
        field="",
    ),
    *_split_latencies(),
    number_column(
        "work_seconds",
        "work s",
        "Mean of a problem: the seconds that its samples were in engines, summed.",
        lambda row: row.work_seconds_per_problem,
        formats.seconds,
        field="work_seconds_per_problem",
    ),
    number_column(
        "path_seconds",
        "path s",
        "Mean seconds in engines and tools on the longest chain of dependent work.",
        lambda row: row.critical_path_seconds_per_problem,
        formats.seconds,
        field="critical_path_seconds_per_problem",
    ),
    number_column(
        "wall_seconds",
        "wall s",
        "Wall clock from the first problem's start to the last one's end.",
        lambda row: row.wall_seconds,
        formats.seconds,
        field="wall_seconds",
    ),
    number_column(
        "kv_token_steps",
        "KV token-steps",
        "Mean of a problem: tokens in the cache, summed over decode steps.",
        lambda row: row.kv_token_steps_per_problem,
        formats.magnitude,
        field="kv_token_steps_per_problem",
    ),
    number_column(
        "peak_kv_tokens",
        "KV peak",
        "Most tokens that one problem held in the cache at once.",
        lambda row: row.peak_kv_tokens,
        field="peak_kv_tokens",
    ),
    number_column(
        "distinct_kv_token_steps",
        "KV steps once",
        "As KV token-steps, what prompts of a problem begin with alike counted once.",
        lambda row: row.distinct_kv_token_steps_per_problem,
        formats.magnitude,
        field="distinct_kv_token_steps_per_problem",
    ),
    number_column(
        "distinct_peak_kv_tokens",
        "KV peak once",
        "As KV peak, what prompts of a problem begin with alike counted once.",
        lambda row: row.distinct_peak_kv_tokens,
        field="distinct_peak_kv_tokens",
    ),
    number_column(
        "peak_kv_bytes",
        "KV peak bytes",
        "Most bytes of cache that one problem held at once.",
        lambda row: row.peak_kv_bytes,
        formats.magnitude,
        field="peak_kv_bytes",
    ),
)
