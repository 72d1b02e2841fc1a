"""What is measured of a sample's log-probabilities, once it has ended."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ttscale.errors import CapabilityError
from ttscale.run import Run
from ttscale.types import Sample
from ttscale_strategies.voting.poll import Measure
from ttscale_strategies.voting.rules import (
    TraceMeasure,
    approximate_self_certainty,
    likeliest,
    mean_entropy,
    token_confidences,
    trace_confidence,
)

LARGE_VOCABULARY: Final = 100_000
"""Tokens that a model of unknown vocabulary counts as having."""


def require_top_logprobs(run: Run, num_top: int) -> None:
    """Refuse a model that gives the log-probabilities of fewer tokens at each position than are asked for.

    Raises:
        CapabilityError: it does. Nothing has been drawn yet.
    """
    most = run.capabilities.max_top_logprobs
    if most < num_top:
        raise CapabilityError(
            f"{run.profile.name!r} gives the log-probabilities of at most {most} tokens at each position, "
            f"top_logprobs={num_top} asks for more; set top_logprobs={most} or choose another model URI."
        )


def top_logprobs_of(sample: Sample, num_top: int) -> NDArray[np.float64]:
    """Return the log-probabilities of the likeliest tokens, shape [num_tokens, num_top]; see `likeliest`."""
    return likeliest(sample.top_logprobs or (), num_top)


def entropy_measure(num_top: int, *, renormalise: bool = True) -> Measure:
    """Measure `rules.mean_entropy`, in bits."""

    def measure(sample: Sample) -> float | None:
        return mean_entropy(top_logprobs_of(sample, num_top), renormalise=renormalise)

    return measure


def certainty_measure(num_top: int, vocabulary_size: int | None) -> Measure:
    """Measure `rules.approximate_self_certainty`, in nats."""

    def measure(sample: Sample) -> float | None:
        logprobs = top_logprobs_of(sample, num_top)
        return approximate_self_certainty(logprobs, vocabulary_size or LARGE_VOCABULARY)

    return measure


def confidence_measure(
    num_top: int, measure: TraceMeasure, *, window: int, tail: int | None = None, bottom: float = 0.1
) -> Measure:
    """Measure `rules.trace_confidence`, in nats; ``None`` without a single token's log-probabilities."""

    def measured(sample: Sample) -> float | None:
        confidences = token_confidences(top_logprobs_of(sample, num_top))
        if confidences.size == 0:
            return None
        return trace_confidence(confidences, measure, window=window, tail=tail or window, bottom=bottom)

    return measured
