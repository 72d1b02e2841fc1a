"""The built-in verifiers under their public name."""

from __future__ import annotations

from ttscale_verifiers import ConfidenceVerifier, MathVerifier, ReasoningGymVerifier

__all__ = ["ConfidenceVerifier", "MathVerifier", "ReasoningGymVerifier"]
