"""What a prompt asks, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttscale.types import Prompt

if TYPE_CHECKING:
    from ttscale.run.run import Run


def question_of(prompt: Prompt, run: Run) -> str:
    """Return what a prompt asks: what the user said last, or the text of a bare prompt.

    Args:
        prompt: of a problem.
        run: of the model whose token ids it may be.
    """
    return prompt.question if prompt.token_ids is None else run.decode(prompt.token_ids)
