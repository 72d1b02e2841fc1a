"""What a prompt asks, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttscale.types import Prompt

if TYPE_CHECKING:
    from ttscale.run.run import Run


def question_of(prompt: Prompt, run: Run) -> str:
    """Return what a prompt asks: what the user said last, or the text of a bare prompt.

    Args:
        prompt: of a problem; where it is the run's own, in token ids, words it had before count.
        run: of the model whose token ids it may be.
    """
    if prompt == run.problem.prompt:
        prompt = worded(run)
    return prompt.question if prompt.token_ids is None else run.decode(prompt.token_ids)


def worded(run: Run) -> Prompt:
    """Return the prompt of a run's problem in words: that of its last form, if any, that is no token ids."""
    forms = (problem.prompt for problem in reversed(run.asked) if problem.prompt.token_ids is None)
    return next(forms, run.problem.prompt)
