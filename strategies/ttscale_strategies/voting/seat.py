"""SEAT: rounds of samples that see the round before, until their answers agree enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ttscale.run import Run
from ttscale.types import Outcome, Problem, Prompt
from ttscale_strategies.checks import require_positive
from ttscale_strategies.revision import REVISION_FIELDS, require_fields, revision_prompt, without_thoughts
from ttscale_strategies.voting._options import DrawOptions
from ttscale_strategies.voting.poll import Ballot, Poll, keys_of
from ttscale_strategies.voting.rules import secretary_stop, semantic_entropy, threshold_stop


@dataclass(frozen=True, kw_only=True)
class SEAT(DrawOptions):
    """SEAT: parallel samples, refined round by round until their answers' entropy is low (arXiv:2507.06829).

    Each round draws n samples side by side; from the second on they are shown what the round before wrote and
    asked for a better solution. The semantic entropy of a round's answers says when to stop: at or below a
    threshold, or, without one, by the secretary rule: the first ``max(1, floor(max_rounds / e))`` rounds are
    only watched, and the first later one with less entropy than all of these is the last. The majority of the
    last round answers.

    Cost: n to n · `max_rounds` calls, always a multiple of n; in each round its prompt once and n answers, and
    the prompt of all but the first holds n responses (or answers, ``show=answers``). A round waits for the one
    before; other questions use the engine meanwhile.

    Departures: a round of one opinion ends it even while the secretary only watches, since nothing could have
    less entropy. Samples without an answer agree with nobody. The paper's prompts are not known to us. Answers
    are the same where their keys are; the paper also clusters free text. What a model thinks before
    ``</think>`` is not shown to the next round. A round that does not fit the context fails: the one before
    answers, as it does where nobody in a round answers or the budget cuts it short. Small models tend to copy
    each other's mistakes in later rounds: the entropies are in the trace. `confidence` is the winner's share
    of the votes of its round.
    """

    n: int = 4
    """Samples in a round, >= 2."""
    max_rounds: int = 4
    """>= 1."""
    threshold: float | None = None
    """In nats, >= 0, the entropy at or below which it stops: take it from rounds sampled beforehand, with
    `ttscale_strategies.voting.rules.entropy_threshold`. ``None``: the secretary rule."""
    stop_on_consensus: bool = True
    """Whether the secretary rule stops at any round of one opinion."""
    show: Literal["responses", "answers"] = "responses"
    """What the next round is shown of each sample."""
    template: str = "revise"
    """Name of the prompt template of later rounds, with the fields question and attempts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n < 2:
            raise ValueError(f"n must be >= 2, as one sample always agrees with itself; got {self.n!r}")
        require_positive(self.max_rounds, "max_rounds")
        self._is_settled((0.0,))
        require_fields(self.template, REVISION_FIELDS)

    def max_samples(self) -> int:
        """Return n · max_rounds."""
        return self.n * self.max_rounds

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Vote after the round that the entropy, the number of rounds or the budget makes the last."""
        poll = Poll(run, electorate=self._last_round)
        entropies = list[float]()
        prompt = problem.prompt
        while not self._is_settled(entropies):
            async with run.sample(prompt, n=self.n, sampling=self.sampling()) as samples:
                if not await poll.hear(samples):
                    return poll.outcome()
            drawn = poll.ballots[-self.n :]
            entropies.append(semantic_entropy(keys_of(drawn)))
            run.note(entropies=tuple(entropies))
            prompt = self._asked_again(drawn, run)
        if len(entropies) < self.max_rounds:
            poll.stop_reason = "decided"
        return poll.outcome()

    def _is_settled(self, entropies: Sequence[float]) -> bool:
        """Return whether the last round was the last one to draw."""
        if not entropies:
            return False
        if self.threshold is not None:
            return threshold_stop(entropies, self.threshold, max_rounds=self.max_rounds)
        return secretary_stop(entropies, max_rounds=self.max_rounds, stop_on_consensus=self.stop_on_consensus)

    def _last_round(self, ballots: Sequence[Ballot]) -> Sequence[Ballot]:
        """Let the last whole round with an answer vote, all of the first if there is none."""
        num_rounds = len(ballots) // self.n
        rounds = [ballots[number * self.n :][: self.n] for number in reversed(range(num_rounds))]
        answered = (drawn for drawn in rounds if any(ballot.key is not None for ballot in drawn))
        return next(answered, ballots)

    def _asked_again(self, drawn: Sequence[Ballot], run: Run) -> Prompt:
        """Return the next round's prompt; the first one again if there is nothing to show."""
        shown = [self._shown(ballot) for ballot in drawn]
        return revision_prompt(self.template, run, [text for text in shown if text])

    def _shown(self, ballot: Ballot) -> str:
        """Return what the next round sees of a sample; empty: nothing."""
        if ballot.sample.is_error:
            return ""
        if self.show == "answers":
            return ballot.answer or ""
        return without_thoughts(ballot.sample.text)
