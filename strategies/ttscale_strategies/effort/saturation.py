"""Saturation: a few samples tell how many are worth drawing, and so many vote."""

from __future__ import annotations

from dataclasses import dataclass

from ttscale.budget.saturation import saturation_point
from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.checks import require_positive
from ttscale_strategies.voting._options import DrawOptions
from ttscale_strategies.voting.poll import Poll, keys_of
from ttscale_strategies.voting.rules import majority


@dataclass(frozen=True, kw_only=True)
class Saturation(DrawOptions):
    """Vote over as many samples as are worth it (TTSPM, Wang et al. 2025, arXiv:2505.20522).

    `pilots` samples are drawn; p is the share of them that agree on the most frequent answer, or 0 where no two
    do; N* is the number after which one more sample solves the question with a chance of `epsilon` or less more
    (`ttscale.budget.saturation.saturation_point`). Samples are drawn up to N*, and all vote, the pilots too.

    Cost: `pilots` to n calls: with p = 1 the pilots only, without agreement n. `confidence` is the winner's
    share of the votes. p and N* are in the trace (`p`, `saturation`).

    Departures: the paper means by p the chance of a right answer, and estimates it for a whole set of questions
    whose answers are known (`ttscale.budget.saturation.fit_saturation`); here agreement stands in for it,
    question by question: a model that agrees on a wrong answer stops early with it.
    """

    pilots: int = 4
    """Samples at first, >= 2; at most n."""
    epsilon: float = 0.01
    """Least gain that a sample is worth, > 0."""
    f_max: float = 1.0
    """Chance that a question can be solved at all, in [0, 1]; of `fit_saturation`, for questions like these."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.pilots - 1, "pilots - 1")
        if self.pilots > self.n:
            raise ValueError(f"pilots must be at most n = {self.n}, got {self.pilots!r}")
        self._num_worth(0.5)

    def _num_worth(self, p: float) -> int:
        return saturation_point(p, self.f_max, epsilon=self.epsilon, max_units=self.n)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Draw the pilots, then up to N*, and vote; or vote when the budget is spent."""
        poll = Poll(run)
        async with run.sample(problem.prompt, n=self.pilots, sampling=self.sampling()) as samples:
            if not await poll.hear(samples):
                return poll.outcome()
        agreed = majority(keys_of(poll.ballots))
        p = agreed.votes / self.pilots if agreed is not None and agreed.votes > 1 else 0.0
        num = self._num_worth(p)
        run.note(p=p, saturation=num)
        if num > self.pilots:
            async with run.sample(problem.prompt, n=num - self.pilots, sampling=self.sampling()) as samples:
                await poll.hear(samples)
        if poll.stop_reason == "finished" and num < self.n:
            poll.stop_reason = "decided"
        return poll.outcome()
