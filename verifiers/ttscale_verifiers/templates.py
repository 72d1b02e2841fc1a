"""The prompts that verifiers give a model, by the names under which the registry knows them."""

from __future__ import annotations

from typing import Final

from ttscale.template import Template

JUDGE_STEPS: Final = Template.user("{question}\n\n{step}")
"""The first turn of a conversation about steps, continued as `ttscale.template.steps_prompt` does."""

JUDGE_ANSWER: Final = Template.user("{question}\n\n{solution}\n\nIs this solution right? Answer + or -.")
"""Asks whether a whole solution is right."""

COMPARE: Final = Template.user(
    "{question}\n\nSolution A:\n{solution_a}\n\nSolution B:\n{solution_b}\n\n"
    "Which solution is right? Answer A or B."
)
"""Asks which of two solutions is right."""

BUILTINS: Final = {
    "compare": "ttscale_verifiers.templates:COMPARE",
    "judge_answer": "ttscale_verifiers.templates:JUDGE_ANSWER",
    "judge_steps": "ttscale_verifiers.templates:JUDGE_STEPS",
}
"""Built-in templates of verifiers by name."""
