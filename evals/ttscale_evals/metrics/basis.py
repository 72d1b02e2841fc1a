"""How each number of a row is known, in one place.

``measured``: counted or timed as it happened, by us or by the engine. ``derived``: exact arithmetic on what was
measured. ``modelled``: rests on a formula or an assumption about what was not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

Basis = Literal["measured", "derived", "modelled"]

_COUNTS: Final = (
    *("num_problems", "num_correct", "num_missing", "errors", "unparsed", "truncated"),
    *("grader_timeouts", "grader_failures", "samples", "samples_per_problem", "tool_calls", "stop_reasons"),
    "nodes",
)
_TOKENS: Final = (
    *("generated_tokens", "prompt_tokens_computed", "prompt_tokens_cached", "cancelled_tokens"),
    *("verifier_tokens", "retried_tokens", "reused_tokens", "tokens", "tokens_per_problem"),
)
_SECONDS: Final = (
    *("latency_p50_seconds", "latency_p90_seconds", "latency_p95_seconds", "latency_p99_seconds"),
    *("latency_finished", "latency_failed", "wall_seconds", "work_seconds", "work_seconds_per_problem"),
)

_MEASURED: Final = ("accuracy", *_COUNTS, *_TOKENS, *_SECONDS)
_DERIVED: Final = (
    *("accuracy_low", "accuracy_high", "accuracy_errors_excluded"),
    *("accuracy_supportable_low", "accuracy_supportable_high", "average", "matched"),
    *("critical_path_tokens", "critical_path_tokens_per_problem"),
    *("critical_path_seconds", "critical_path_seconds_per_problem"),
    *("kv_token_steps", "kv_token_steps_per_problem", "kv_byte_steps", "usd"),
    *("sharing", "sharing_by_model", "measures"),
)
_MODELLED: Final = (
    *("flops", "peak_kv_tokens", "peak_kv_bytes"),
    *("distinct_kv_token_steps", "distinct_kv_token_steps_per_problem", "distinct_peak_kv_tokens"),
)

HOW_KNOWN: Final[Mapping[str, Basis]] = MappingProxyType(
    {
        **dict.fromkeys(_MEASURED, "measured"),
        **dict.fromkeys(_DERIVED, "derived"),
        **dict.fromkeys(_MODELLED, "modelled"),
    }
)
"""Of a run that asks a model, by the name of the row's field."""

REPLAYED: Final[Mapping[str, Basis]] = MappingProxyType(
    {
        **dict.fromkeys(_SECONDS, "modelled"),
        **dict.fromkeys(("critical_path_seconds", "critical_path_seconds_per_problem"), "modelled"),
        "cancelled_tokens": "modelled",
        **dict.fromkeys(("tokens", "tokens_per_problem"), "derived"),
    }
)
"""What is otherwise on recorded samples. Tokens are those of the recording; its samples are taken to last as
long as they did then, whatever else runs now, and those that are stopped to have grown evenly."""


def how_known(*, is_replayed: bool) -> dict[str, Basis]:
    """Return how each field of a row is known; fields of another kind (names, say) are not in it.

    Args:
        is_replayed: whether rows rest on recorded samples; where some do, the weaker claim holds for all.
    """
    return {**HOW_KNOWN, **(REPLAYED if is_replayed else {})}
