"""How parallel a problem's work was, from the outcome of a strategy that forks, under the papers' names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

from ttscale.types import JSON, Outcome

Span = Mapping[str, JSON]


def parallelism(outcome: Outcome) -> float | None:
    """Return generated tokens over those on the critical path: Multiverse's "#parallel" (arXiv:2506.09991).

    Tokens of all samples count, verifiers' and called-off ones included; 1 is one after another, k samples of
    one length at once are k. It needs no fork: a vote has one too.

    Returns:
        ``None``: nothing was generated, or the trace is not known.
    """
    generated = sum(_count(span, "generated") or 0 for span in outcome.trace if span["kind"] == "sample")
    path = outcome.critical_path_tokens
    return generated / path if generated and path else None


def self_speed_up(trace: Sequence[Span]) -> float | None:
    """Return T / L of the traces that were written: ThreadWeaver's self-speed-up (arXiv:2512.07843).

    T are the tokens of a trace that forks, L those on its longest path, each trace against itself and not
    against another model's. Of several traces for one problem it is the mean. Words that are put in for the
    model are in neither; for the paper's count of them see `ttscale_strategies.threads.rules.token_latency`.

    Args:
        trace: spans, as in `Outcome.trace`.

    Returns:
        At least 1; ``None``: no trace that could fork.
    """
    threads = (span for span in trace if span["kind"] == "thread")
    found = [(_count(span, "tokens"), _count(span, "path_tokens")) for span in threads]
    ratios = [tokens / path for tokens, path in found if tokens and path]
    return math.fsum(ratios) / len(ratios) if ratios else None


def thread_measures(outcome: Outcome) -> dict[str, float]:
    """Return what a row is told of threads: how many, parallelism, self-speed-up; empty if nothing can fork.

    Threads are branches, and the instances of a prompt that holds several tasks.
    """
    spans = outcome.trace
    notes = [_count(span, "instances") for span in spans if span["kind"] == "solve"]
    instances = sum(number or 0 for number in notes)
    if not instances and not any(span["kind"] == "thread" for span in spans):
        return {}
    branches = sum(span["kind"] == "thread" and bool(_count(span, "depth")) for span in spans)
    known = {"parallelism": parallelism(outcome), "self_speed_up": self_speed_up(spans)}
    measured = {name: value for name, value in known.items() if value is not None}
    return {"threads": float(branches + instances), **measured}


def _count(span: Span, name: str) -> int | None:
    value = cast("Mapping[str, JSON]", span["attributes"]).get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
