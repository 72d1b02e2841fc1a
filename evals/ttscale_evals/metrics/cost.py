"""What the answers cost, and how long each took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ttscale.types import Outcome, Usage
from ttscale_evals.stats import percentile


def total_usage(usages: Iterable[Usage]) -> Usage:
    """Return the sum of usages; a quantity that one of them does not know is unknown."""
    return sum(usages, start=Usage())


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Percentiles of the seconds that single problems took; ``None`` of no problems."""

    num_problems: int
    p50_seconds: float | None
    p90_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None


def latency_of(seconds: Sequence[float]) -> Latency:
    """Return the median and higher percentiles, interpolated between neighbours.

    Args:
        seconds: wall-clock time of each problem, shape [num_problems].
    """
    return Latency(
        num_problems=len(seconds),
        p50_seconds=percentile(seconds, 50),
        p90_seconds=percentile(seconds, 90),
        p95_seconds=percentile(seconds, 95),
        p99_seconds=percentile(seconds, 99),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineWork:
    """What problems asked of engines together; ``None`` where one of them does not know, or there are none."""

    work_seconds: float | None
    """Sum over samples of the time each was in an engine."""
    critical_path_seconds: float | None
    """Of each problem the longest chain of dependent work, summed."""
    kv_token_steps: int | None
    """Tokens in the key-value cache, summed over decode steps."""
    kv_byte_steps: float | None
    peak_kv_tokens: int | None
    """Most that a single problem held at once."""
    peak_kv_bytes: float | None
    distinct_kv_token_steps: int | None
    """As `kv_token_steps`, what prompts share counted once."""
    distinct_peak_kv_tokens: int | None
    """As `peak_kv_tokens`, what prompts share counted once."""


def engine_work_of(outcomes: Sequence[Outcome]) -> EngineWork:
    """Return what problems asked of engines together."""
    works = [outcome.work for outcome in outcomes]
    known = [work for work in works if work is not None] if None not in works else []
    paths = [outcome.critical_path_seconds for outcome in outcomes]
    sharing = [work.sharing for work in known if work.sharing is not None]
    distinct = sharing if len(sharing) == len(known) else []
    return EngineWork(
        work_seconds=_total([work.seconds for work in known]),
        critical_path_seconds=_total(paths),
        kv_token_steps=sum(work.kv_token_steps for work in known) if known else None,
        kv_byte_steps=_total([work.kv_byte_steps for work in known]),
        peak_kv_tokens=max((work.peak_kv_tokens for work in known), default=None),
        peak_kv_bytes=_greatest([work.peak_kv_bytes for work in known]),
        distinct_kv_token_steps=sum(part.kv_token_steps for part in distinct) if distinct else None,
        distinct_peak_kv_tokens=max((part.peak_kv_tokens for part in distinct), default=None),
    )


def _known(values: Sequence[float | None]) -> list[float]:
    """Return the values if all of them are known, else none."""
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else []


def _total(values: Sequence[float | None]) -> float | None:
    known = _known(values)
    return sum(known) if known else None


def _greatest(values: Sequence[float | None]) -> float | None:
    return max(_known(values), default=None)
