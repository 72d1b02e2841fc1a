"""The built-in verifiers under their public name."""

from __future__ import annotations

from ttscale_verifiers import (
    ConfidenceVerifier,
    ImplicitPRMVerifier,
    MathVerifier,
    ORMVerifier,
    PRMVerifier,
    ReasoningGymVerifier,
)

__all__ = [
    "ConfidenceVerifier",
    "ImplicitPRMVerifier",
    "MathVerifier",
    "ORMVerifier",
    "PRMVerifier",
    "ReasoningGymVerifier",
]
