"""Workspaces: what of earlier texts the next call is shown, in tokens of the model that is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from ttscale.run import Run
from ttscale.types import Prompt
from ttscale_strategies.refine.rules import fitted_drafts

CHARACTERS_PER_TOKEN: Final = 4
"""What a token counts as where the model's own tokens are not known."""


def workspace_tokens(run: Run, most: int | None) -> int | None:
    """Return how many tokens of earlier texts a prompt of a run may hold; ``None``: nobody knows.

    Args:
        run: of the model that is asked.
        most: what the caller wants; ``None``: half of the context.
    """
    context = run.profile.context_length
    return most if most is not None or context is None else context // 2


def fitted_texts(
    run: Run, texts: Sequence[str], capacity: int | None, *, keep: Literal["start", "end"] = "end"
) -> tuple[str, ...]:
    """Return texts cut to what `even_shares` leaves them; those of which nothing is left are empty.

    Args:
        run: of the model that is shown them, whose tokens count; else `CHARACTERS_PER_TOKEN`.
        texts: in order.
        capacity: tokens of all together, >= 0; ``None``: no limit.
        keep: which part of a text that is too long is kept.
    """
    if capacity is None:
        return tuple(texts)
    if not run.capabilities.token_ids:
        cut = fitted_drafts(texts, capacity * CHARACTERS_PER_TOKEN, keep=keep)
        return tuple("".join(letters) for letters in cut)
    tokens = [_ids(run, text) for text in texts]
    fitted = fitted_drafts(tokens, capacity, keep=keep)
    return tuple(
        text if len(kept) == len(whole) else _written(run, kept, keep)
        for text, whole, kept in zip(texts, tokens, fitted, strict=True)
    )


def _ids(run: Run, text: str) -> tuple[int, ...]:
    return run.append(Prompt(token_ids=()), text).token_ids or ()


def _written(run: Run, kept: Sequence[int], keep: Literal["start", "end"]) -> str:
    """Return the text of tokens; less of it where, read anew, it has more tokens than these."""
    left = kept
    while len(_ids(run, text := run.decode(left))) > len(kept):
        left = left[:-1] if keep == "start" else left[1:]
    return text
