"""What a judge is shown of candidates, cut evenly where its context does not hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ttscale.errors import BackendError
from ttscale.run import Run
from ttscale.types import Prompt
from ttscale_strategies.refine._judge_options import JudgeOptions, Show
from ttscale_strategies.refine.rules import fitted_drafts
from ttscale_strategies.revision import without_thoughts
from ttscale_strategies.voting.poll import Ballot

_MAX_CUTS: Final = 12
"""Times that texts are cut before nothing of them is shown."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A prompt that fits the judge's context."""

    prompt: Prompt
    max_tokens: int
    """Most that the judge may say to it."""
    num_cut_characters: int
    """Of the candidates' texts, those left out."""


def shown_text(ballot: Ballot, show: Show) -> str:
    """Return what a judge sees of a candidate; of one that only thinks, its thoughts."""
    if show == "answers":
        return ballot.answer or ""
    return without_thoughts(ballot.sample.text) or ballot.sample.text.strip()


def fitting(
    judge: Run, options: JudgeOptions, texts: Sequence[str], ask: Callable[[Sequence[str]], Prompt]
) -> Shown:
    """Return the judge's prompt about texts; the longest are cut first, their ends are kept.

    Where neither the length of its context nor tokens are known, nothing is cut.

    Args:
        judge: the run of the judge's model.
        options: say how much room its reply needs.
        texts: of the candidates.
        ask: puts texts into a prompt.

    Raises:
        BackendError: not even the question fits, or the model takes no such prompt.
    """
    prompt = judge.encode(ask(texts))
    context_length = judge.profile.context_length
    if prompt.token_ids is None or context_length is None:
        return Shown(prompt, options.max_judge_tokens, 0)
    max_tokens = min(options.max_judge_tokens, max(1, context_length // 2))
    reply = options.judge_sampling(max_tokens, judge.capabilities.max_top_logprobs).max_tokens or max_tokens
    room, total = context_length - reply, sum(map(len, texts))
    capacity = total
    for _ in range(_MAX_CUTS):
        if (num_tokens := len(prompt.token_ids or ())) <= room or not capacity:
            break
        # tokens are not spread evenly over the prompt: somewhat less than in proportion, and again if need be
        capacity = capacity * room * 9 // (num_tokens * 10)
        prompt = judge.encode(ask(["".join(part) for part in fitted_drafts(texts, capacity)]))
    if len(prompt.token_ids or ()) > room and capacity:
        capacity = 0
        prompt = judge.encode(ask([""] * len(texts)))
    if len(prompt.token_ids or ()) > room:
        raise BackendError(f"the question does not fit the judge's context of {context_length} tokens")
    return Shown(prompt, reply, total - capacity)
