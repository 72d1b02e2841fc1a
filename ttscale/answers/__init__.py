"""Answers: found in a sample's text, brought into a canonical form, compared.

No answer ever reaches `eval`, `exec` or an unbounded computer-algebra call: everything here is linear and
bounded, and math-verify runs in worker processes with hard limits.
"""

from __future__ import annotations

from ttscale.answers.classes import AnswerClasses
from ttscale.answers.equivalence import WORKER_FUNCTION, equivalent, has_math_verify, require_math_verify
from ttscale.answers.extract import extract_answer
from ttscale.answers.key import answer_key

__all__ = [
    "WORKER_FUNCTION",
    "AnswerClasses",
    "answer_key",
    "equivalent",
    "extract_answer",
    "has_math_verify",
    "require_math_verify",
]
