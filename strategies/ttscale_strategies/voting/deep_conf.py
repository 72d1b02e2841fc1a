"""Online DeepConf: traces of which the model loses its confidence are cut short while they are written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ttscale.errors import BudgetExhausted
from ttscale.run import Piece, PieceBlock, Run
from ttscale.types import Outcome, Problem, Sample
from ttscale_strategies.checks import require_positive
from ttscale_strategies.voting._options import DrawOptions
from ttscale_strategies.voting.agreement import Agreement
from ttscale_strategies.voting.confidence_measures import confidence_measure, require_top_logprobs
from ttscale_strategies.voting.poll import Ballot, DecideBy, Poll, keys_of
from ttscale_strategies.voting.rules import (
    ConfidenceWindow,
    Election,
    confidence_threshold,
    confident_vote,
    has_consensus,
    is_confident,
    likeliest,
    token_confidences,
)
from ttscale_strategies.voting.rules.deep_conf import CONSENSUS
from ttscale_strategies.voting.rules.token_confidence import WINDOW


@dataclass(frozen=True, kw_only=True)
class DeepConf(DrawOptions):
    """Online DeepConf: warm up, cut unsure traces short, stop on consensus (Fu et al. 2025, arXiv:2508.15260).

    The first `num_warmup` samples are drawn to their ends. From then on a sample is aborted in the engine once
    the mean confidence of its last `window` tokens falls below what the surest `keep` share of the warm-up kept
    to all along; the next one begins in its place at once, until n were drawn. Those that kept to it vote,
    weighted by their lowest group confidence; if none of them answered, all that were not cut short.

    Cost: `num_warmup` to n calls; the prompt once, the answers of the warm-up, and of each later sample its
    answer or what it had written when it fell, `window` tokens at least; each token with the log-probabilities
    of `top_logprobs` tokens. Aborted tokens are booked as cancelled.

    All ends once the winner has the share `consensus` of the votes: of the first samples drawn, as soon as all
    of these have ended, so that the answer does not depend on who is quick; with ``decide_by="arrival"``, as in
    the paper, of whatever has ended, which is quicker and favours short samples. Departures: we ask for
    consensus right after the warm-up too, and one voter alone is none. A sample's tokens are seen once they are
    drawn, where the paper's code looks before; on an engine that is ahead of us a few more are drawn and paid
    for. Samples without log-probabilities are never cut, and weigh nothing beside others; if the warm-up has
    none nothing is cut. A model that gives fewer is refused. Offline DeepConf, among samples that are all drawn
    to their ends, is `ConfidenceVote`. `confidence` is the winner's share of the votes; a candidate's score is
    its lowest group confidence in nats.
    """

    num_warmup: int = 8
    """Samples drawn to their ends first, >= 1, at most n; the paper's 16, of 256 or 512."""
    keep: float = 0.9
    """In [0, 1]: 0.9 is the paper's "high", what its code does unless told otherwise, 0.1 its "low", which
    cuts most."""
    window: int = WINDOW
    """Tokens in a group, >= 1; a sample that is shorter is never cut."""
    consensus: float | None = CONSENSUS
    """In [0, 1]; ``None``: all n are drawn, as in the paper's code."""
    width: int = 8
    """Samples at work at once, >= 1."""
    top_logprobs: int = 20
    """Tokens of each position that a confidence is taken over, >= 1."""
    decide_by: DecideBy = "index"

    needs: ClassVar[frozenset[str]] = frozenset({"max_top_logprobs", "stream"})

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("num_warmup", "window", "width", "top_logprobs"):
            require_positive(getattr(self, name), name)
        confidence_threshold((0.0,), self.keep)
        if self.consensus is not None:
            has_consensus(None, threshold=self.consensus)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Vote on consensus, when n samples were drawn, or when the budget is spent.

        Raises:
            CapabilityError: the model gives fewer log-probabilities.
        """
        require_top_logprobs(run, self.top_logprobs)
        traces = _Traces(self, problem, run)
        if await traces.warm_up():
            await traces.go_on()
        return traces.poll.outcome()


class _Traces:
    """The traces of one problem: those that still run, and a poll of those that have ended."""

    def __init__(self, options: DeepConf, problem: Problem, run: Run) -> None:
        measure = confidence_measure(options.top_logprobs, "lowest", window=options.window)
        self._agreement = Agreement(self._agree, options.decide_by)
        self.poll = Poll(
            run, self._vote, electorate=self._agreement, measure=measure, decide_by=options.decide_by
        )
        self._options = options
        self._problem = problem
        self._run = run
        self._sampling = options.sampling(logprobs=options.top_logprobs)
        self._num_warmup = min(options.num_warmup, options.n)
        self._later = iter(range(self._num_warmup, options.n))
        self._threshold = 0.0
        self._running: dict[int, PieceBlock] = {}
        self._may_begin = True

    async def warm_up(self) -> bool:
        """Draw the warm-up; return whether the budget allowed all of it."""
        options = self._options
        async with self._run.sample(
            self._problem.prompt, n=self._num_warmup, sampling=self._sampling, window=options.width
        ) as samples:
            return await self.poll.hear(samples)

    async def go_on(self) -> None:
        """Draw the others, as many at once as the width says, until n were drawn or those so far agree."""
        self._threshold = self._threshold_of(self.poll.ballots)
        self._run.note(threshold=self._threshold)
        if self._agreement.is_reached:
            self._stop()
            return
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._options.width, self._options.n - self._num_warmup)):
                group.create_task(self._draw_one_after_another())

    async def _draw_one_after_another(self) -> None:
        while self._may_begin and (index := next(self._later, None)) is not None:
            sample = await self._draw(index)
            if sample is not None:
                await self.poll.add(sample)
                if self._agreement.is_reached:
                    self._stop()

    async def _draw(self, index: int) -> Sample | None:
        """Draw the run's next sample, which is number `index`; ``None`` if it was not to be finished."""
        window, has_fallen = ConfidenceWindow(self._options.window), False
        async with self._run.stream(self._problem.prompt, sampling=self._sampling) as pieces:
            self._running[index] = pieces
            try:
                async for piece in pieces:
                    if not has_fallen and self._falls(window, piece):
                        has_fallen = True
                        pieces.abort(index)
            except BudgetExhausted:
                self.poll.stop_reason = "budget"
                self._may_begin = False
            finally:
                del self._running[index]
        sample = pieces.sample
        if sample is None or sample.is_error or not has_fallen:
            return sample
        return replace(sample, finish_reason="abort")  # also where its engine was done with it by then

    def _falls(self, window: ConfidenceWindow, piece: Piece) -> bool:
        """Return whether a trace is unsure at one of these tokens."""
        confidences = token_confidences(likeliest(piece.top_logprobs or (), self._options.top_logprobs))
        groups = [window.push(confidence) for confidence in confidences.tolist()]
        return any(group is not None and not is_confident(group, self._threshold) for group in groups)

    def _stop(self) -> None:
        """Begin nothing more, and abort what runs."""
        self._may_begin = False
        if len(self.poll.ballots) < self._options.n:
            self.poll.stop_reason = "decided"
        for pieces in self._running.values():
            pieces.stop()

    # ── who votes ─────────────────────────────────────────────────────────────────────────────────────────

    def _threshold_of(self, ballots: Sequence[Ballot]) -> float:
        """Return the confidence below which a trace does not vote; 0 if nothing is known of the warm-up."""
        known = [
            ballot.measured
            for ballot in ballots
            if ballot.sample.index < self._num_warmup and ballot.measured is not None
        ]
        return confidence_threshold(known, self._options.keep) if known else 0.0

    def _vote(self, ballots: Sequence[Ballot]) -> Election | None:
        confidences = [ballot.measured or 0.0 for ballot in ballots]
        return confident_vote(keys_of(ballots), confidences, self._threshold_of(ballots))

    def _agree(self, ballots: Sequence[Ballot]) -> bool:
        if self._options.consensus is None or len(ballots) < self._num_warmup:
            return False
        threshold = self._threshold_of(ballots)
        voters = [
            ballot
            for ballot in ballots
            if ballot.key is not None and is_confident(ballot.measured or 0.0, threshold)
        ]
        return len(voters) > 1 and has_consensus(self._vote(ballots), threshold=self._options.consensus)
