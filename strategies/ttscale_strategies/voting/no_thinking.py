"""NoThinking: the model is made to believe that it has thought already."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from ttscale.run import Run
from ttscale.strategy import Strategy
from ttscale.types import Outcome, Problem, Prompt
from ttscale_strategies.voting.handing_on import handed_on
from ttscale_strategies.voting.self_consistency import SelfConsistency

_OPENING: Final = re.compile(r"\s*(<[^<>\n]+>)")
"""The mark with which a thought begins."""
_TAIL_TOKENS: Final = 16
NO_THOUGHT: Final = "<think>\nOkay, I think I have finished thinking.\n</think>\n\n"
"""The paper's thought that is over."""


@dataclass(frozen=True, kw_only=True)
class NoThinking:
    """Skip the model's thinking and draw more samples instead (Ma et al. 2025, arXiv:2504.09858).

    The answer is begun with a thought that is over, and any other strategy draws and chooses among what
    follows, as in the paper: ``no_thinking`` by majority, ``no_thinking:strategy=confidence_vote`` by
    self-certainty and Borda votes, ``"no_thinking:strategy=best_of_n:verifier=math"`` by a perfect verifier;
    ``n`` and ``max_tokens`` are that strategy's: ``--set strategy.n=64 --set strategy.max_tokens=700``.

    Cost: that of the strategy, its prompt longer by the prefix; the answers are shorter by the thought, which
    is what it saves. Where the backend takes token ids, the prefix is put behind the whole prompt as its own
    tokens, so no chat template can trim it, and a thought that the template has begun is not begun again;
    elsewhere it is the beginning of the assistant's message. A model that knows no such marks reads them as
    text. Searches by steps go on from the prefix; prompts of a strategy's own, beside the problem's, are left
    as they are, and show the question as it was asked. Departure: samples cut off at
    `max_tokens` are not asked for a final answer (see `BudgetForcing`).
    """

    strategy: Strategy = field(default_factory=lambda: SelfConsistency(n=16))
    """Draws the samples and chooses; `confidence` is its."""
    prefix: str = NO_THOUGHT
    """With what every answer begins; ``"<think>\\n\\n</think>\\n\\n"`` is an empty thought."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        if not self.prefix:
            raise ValueError("prefix must not be empty; without one, use the strategy by itself")

    def max_samples(self) -> int | None:
        """Return the strategy's."""
        return self.strategy.max_samples()

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Have the strategy answer the problem, its prompt gone on with.

        Raises:
            BackendError: the backend cannot turn the prefix into tokens.
        """
        prompt = thought_over(problem.prompt, self.prefix, run)
        return await handed_on(self.strategy, replace(problem, prompt=prompt), run, label="no thinking")


def thought_over(prompt: Prompt, prefix: str, run: Run) -> Prompt:
    """Return a prompt whose answer begins with a thought that is over.

    Args:
        prompt: of the model of the run.
        prefix: the thought; a mark that the chat template has written already is not written again.
        run: of that model.

    Raises:
        BackendError: the backend cannot turn the prefix into tokens.
    """
    asked = run.append(prompt, "")
    return run.append(asked, _unsaid(prefix, _end_of(asked, run)))


def _end_of(prompt: Prompt, run: Run) -> str:
    """Return the last words of a prompt, those of the chat template included where they are known."""
    if prompt.token_ids is not None:
        return run.decode(prompt.token_ids[-_TAIL_TOKENS:])
    if prompt.text is not None:
        return prompt.text
    last = prompt.messages[-1]
    return last.content if last.role == "assistant" else ""


def _unsaid(prefix: str, before: str) -> str:
    """Return a prefix without the opening mark and the space behind it, if these were written before."""
    opening, said = _OPENING.match(prefix), before.rstrip()
    if opening is None or not said.endswith(opening[1]):
        return prefix
    return prefix[opening.end() :].removeprefix(before[len(said) :])
