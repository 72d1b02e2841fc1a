"""Built-in verifiers."""

from __future__ import annotations

from typing import Final

from ttscale_verifiers.confidence import ConfidenceVerifier
from ttscale_verifiers.implicit_prm import ImplicitPRMVerifier
from ttscale_verifiers.math import MathVerifier
from ttscale_verifiers.orm import ORMVerifier
from ttscale_verifiers.prm import PRMVerifier
from ttscale_verifiers.reasoning_gym import ReasoningGymVerifier

BUILTINS: Final = {
    "confidence": "ttscale_verifiers.confidence:ConfidenceVerifier",
    "implicit_prm": "ttscale_verifiers.implicit_prm:ImplicitPRMVerifier",
    "math": "ttscale_verifiers.math:MathVerifier",
    "orm": "ttscale_verifiers.orm:ORMVerifier",
    "prm": "ttscale_verifiers.prm:PRMVerifier",
    "reasoning_gym": "ttscale_verifiers.reasoning_gym:ReasoningGymVerifier",
}
"""Built-in verifiers by name, found without reinstalling."""

__all__ = [
    "BUILTINS",
    "ConfidenceVerifier",
    "ImplicitPRMVerifier",
    "MathVerifier",
    "ORMVerifier",
    "PRMVerifier",
    "ReasoningGymVerifier",
]
