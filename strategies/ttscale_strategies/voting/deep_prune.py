"""DeepPrune: of traces that begin alike only some are written to their ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ttscale.errors import BudgetExhausted
from ttscale.run import Run
from ttscale.template import numbered
from ttscale.types import Outcome, Problem, Sample, SampleUsage, Timings
from ttscale.verifier import Verifier
from ttscale_strategies.checks import require_positive
from ttscale_strategies.voting._options import DrawOptions
from ttscale_strategies.voting.deep_prune_overlap import WordSequences, overlap, word_sequences
from ttscale_strategies.voting.poll import Ballot, Poll
from ttscale_strategies.voting.rules import Clusters, compared_members, placed, traces_to_finish


@dataclass(frozen=True, kw_only=True)
class DeepPrune(DrawOptions):
    """DeepPrune: abort traces that will end in the same answer as others (Tu et al. 2025, arXiv:2510.08483).

    The beginnings of n samples drawn side by side are compared, and each sample joins those it is most like, or
    stands alone. Of the largest group the first `max_finished` are written to their ends and vote, the others
    are aborted; where all stand alone nothing is, up to `max_singletons`. `confidence` is the winner's share.

    Cost: at most n calls; the prompt once, n beginnings, and the rest of at most `max_finished` answers (all,
    where all stand alone), plus what the others write until nothing that is still to begin can make them
    needed: they are aborted then, not when all have begun. Nothing is paused, so it saves most where all n are
    at work at once; on a narrow engine the first have ended before the last begin. With a `verifier` also at
    most n · `max_clusters` · `max_compared` verifications. Aborted tokens are booked as cancelled.

    Departures: the paper trains a model to judge whether two traces will end in the same answer. Without one,
    the share of word sequences in common stands in for it, which finds repetitions and not paraphrases: expect
    to save less, and set `threshold` by what you see. With a trained judge, give a verifier that reads texts,
    as ``orm:model=URI,template=same_answer``: it is shown both beginnings, and its score is the similarity. The
    paper compares what stands around the first 25 words like "wait" or "thus"; we compare the first characters,
    as many as the 500 tokens that it also tried. The paper's numbers of clusters and members are not known to
    us. If none of those that are finished answers, there is no answer.
    """

    stretch: int = 2000
    """Characters of each beginning that are compared, >= 1."""
    threshold: float = 0.5
    """Mean similarity to a group's members above which a sample joins it, in [0, 1]."""
    max_clusters: int = 32
    """Groups, >= 1; once there are so many, a sample joins the one it is most like in any case."""
    max_compared: int = 10
    """Members of each group that a sample is compared with, >= 1; drawn at random where there are more."""
    max_finished: int = 10
    """Samples of the largest group that are written to their ends, >= 1."""
    max_singletons: int = 64
    """Samples that are written to their ends where all stand alone, >= 1."""
    num_words: int = 2
    """Words in a sequence, >= 1; without a verifier."""
    verifier: Verifier | None = None
    """Judges the text of both beginnings; a score without value is no similarity."""

    needs: ClassVar[frozenset[str]] = frozenset({"stream"})

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("stretch", "num_words", "max_compared"):
            require_positive(getattr(self, name), name)
        placed((), 0, (), threshold=self.threshold, max_clusters=self.max_clusters)
        traces_to_finish((), max_members=self.max_finished, max_singletons=self.max_singletons)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Vote when all samples that are needed are in, or the budget is spent."""
        return await _Pruning(self, problem, run).outcome()


def redundant_traces(
    clusters: Clusters, unplaced: Sequence[int] = (), *, max_members: int = 10, max_singletons: int = 64
) -> frozenset[int]:
    """Return the traces that need not be written to their ends, wherever those that follow are placed.

    Args:
        clusters: of the traces so far.
        unplaced: traces that may still be placed. Without any, all that `traces_to_finish` leaves out is
            redundant.
        max_members: see `traces_to_finish`.
        max_singletons: see `traces_to_finish`.
    """
    everything = {trace for cluster in clusters for trace in cluster}.union(unplaced)
    largest = max(map(len, clusters), default=0)
    if not unplaced:
        finished = traces_to_finish(clusters, max_members=max_members, max_singletons=max_singletons)
        return frozenset(everything.difference(finished))
    if largest < 2:  # it may come to nothing but singletons
        return frozenset()
    # of equally large clusters the first wins: those created after it must outgrow it
    first = next(place for place, cluster in enumerate(clusters) if len(cluster) == largest)
    winners = [
        cluster
        for place, cluster in enumerate(clusters)
        if len(cluster) + len(unplaced) >= largest + (place > first)
    ]
    needed = {trace for cluster in winners for trace in cluster[:max_members]}
    is_settled = len(winners) == 1 and len(winners[0]) >= max_members and len(unplaced) <= largest
    return frozenset(everything - needed if is_settled else everything - needed - set(unplaced))


class _Pruning:
    """The traces of one problem: their beginnings, the groups of these, and a poll of those that have ended."""

    def __init__(self, options: DeepPrune, problem: Problem, run: Run) -> None:
        self._options = options
        self._problem = problem
        self._run = run
        self._poll = Poll(run, electorate=self._needed)
        self._blocks = [run.stream(problem.prompt, sampling=options.sampling()) for _ in range(options.n)]
        self._is_known = [asyncio.Event() for _ in range(options.n)]
        self._beginnings: dict[int, str] = {}
        self._words: dict[int, WordSequences] = {}
        self._clusters: Clusters = ()
        self._redundant = frozenset[int]()
        self._exhausted: BudgetExhausted | None = None

    async def outcome(self) -> Outcome:
        """Write all traces that are needed to their ends, and let them vote.

        Raises:
            BudgetExhausted: the budget does not buy a single trace.
        """
        async with asyncio.TaskGroup() as group:
            for index in range(self._options.n):
                group.create_task(self._write(index))
            group.create_task(self._prune())
        if self._exhausted is not None:
            if not self._poll.ballots:
                raise self._exhausted
            self._poll.stop_reason = "budget"
        return self._poll.outcome()

    def _needed(self, ballots: Sequence[Ballot]) -> Sequence[Ballot]:
        """Let no trace vote that is redundant, whether or not it had ended by then."""
        return [ballot for ballot in ballots if ballot.sample.index not in self._redundant]

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────

    async def _write(self, index: int) -> None:
        """Follow one trace to its end, or to where it is aborted."""
        text = ""
        async with self._blocks[index] as pieces:
            try:
                async for piece in pieces:
                    if not self._is_known[index].is_set():
                        text += piece.text
                        if len(text) >= self._options.stretch:
                            self._begin(index, text)
            except BudgetExhausted as error:
                self._exhausted = error
        sample = pieces.sample
        if sample is not None and not sample.is_error:
            self._begin(index, sample.text)
        self._is_known[index].set()
        if sample is not None:
            await self._poll.add(sample)

    def _begin(self, index: int, text: str) -> None:
        """Note how a trace begins, once."""
        if not self._is_known[index].is_set():
            self._beginnings[index] = text[: self._options.stretch]
            self._is_known[index].set()

    # ── pruning ───────────────────────────────────────────────────────────────────────────────────────────

    async def _prune(self) -> None:
        """Group the traces in order of their indices, and abort what is no longer needed."""
        options = self._options
        try:
            for index in range(options.n):
                await self._is_known[index].wait()
                if index in self._beginnings:
                    await self._place(index)
                self._abort_redundant(range(index + 1, options.n))
        except BudgetExhausted as error:  # nothing is left to judge with: the others are all written
            self._exhausted = error

    async def _place(self, index: int) -> None:
        options = self._options
        compared = compared_members(self._clusters, options.max_compared, self._run.rng)
        members = [member for cluster in compared for member in cluster]
        similar = dict(zip(members, await self._similarities(index, members), strict=True))
        similarities = [[similar[member] for member in cluster] for cluster in compared]
        self._clusters = placed(
            self._clusters,
            index,
            similarities,
            threshold=options.threshold,
            max_clusters=options.max_clusters,
        )

    def _abort_redundant(self, unplaced: Sequence[int]) -> None:
        options = self._options
        redundant = redundant_traces(
            self._clusters,
            unplaced,
            max_members=options.max_finished,
            max_singletons=options.max_singletons,
        )
        for index in redundant - self._redundant:
            if index in self._beginnings:
                self._blocks[index].abort(index)
            else:  # perhaps it never began
                self._blocks[index].stop()
        self._redundant |= redundant

    async def _similarities(self, index: int, members: Sequence[int]) -> list[float]:
        """Return how likely a trace ends in the same answer as each of these, in [0, 1]."""
        if not members:
            return []
        verifier = self._options.verifier
        if verifier is None:
            return [overlap(self._words_of(index), self._words_of(member)) for member in members]
        scores = await self._run.score([self._pair(member, index) for member in members], verifier)
        return [score.relative or 0.0 for score in scores]

    def _words_of(self, index: int) -> WordSequences:
        if index not in self._words:
            self._words[index] = word_sequences(self._beginnings[index], self._options.num_words)
        return self._words[index]

    def _pair(self, one: int, other: int) -> Sample:
        """Return what a verifier is shown of two traces."""
        return Sample(
            index=other,
            text=numbered("Attempt", [self._beginnings[one], self._beginnings[other]]),
            token_ids=(),
            finish_reason="length",
            usage=SampleUsage(),
            prompt=self._problem.prompt,
            seed=0,
            timings=Timings(submitted=self._run.now()),
        )
