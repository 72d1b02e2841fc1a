"""A contest: candidates drawn side by side, and compared as soon as two of them exist."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from ttscale.errors import BudgetExhausted
from ttscale.run import Run, SampleBlock
from ttscale.types import Outcome, Problem
from ttscale_strategies.refine._judge import Judge
from ttscale_strategies.refine._judge_options import ComparingOptions
from ttscale_strategies.refine._showing import shown_text
from ttscale_strategies.refine.rules import Side, Tally, shown_swapped
from ttscale_strategies.refine.rules.league import Meeting
from ttscale_strategies.voting.poll import Ballot, Poll, keys_of
from ttscale_strategies.voting.rules import Majority

MeetingId = TypeVar("MeetingId", bound=Hashable)
OptionsT = TypeVar("OptionsT", bound=ComparingOptions)


@dataclass(frozen=True, slots=True)
class Standing(Generic[MeetingId]):
    """What a contest's rule makes of all that is known."""

    ready: Mapping[MeetingId, tuple[int, int]]
    """The meetings that need comparisons, with their two candidates. Others, if they run, are aborted."""
    champion: int | None = None
    """Of index; ``None`` as long as it is not certain."""
    merits: Mapping[int, Sequence[float]] = field(default_factory=dict[int, Sequence[float]])
    """Of candidates that can still win, the greatest is best so far; of equals who has more votes."""


class Contest(ABC, Generic[MeetingId, OptionsT]):
    """One problem's candidates and what the judge said of them.

    Everything follows from which samples have ended and what the comparisons named: with each of these the
    standing is asked for again, the meetings that it wants are begun, and those that can no longer matter are
    aborted in the engine. Candidates that never come, as the budget does not buy them, have no answer.

    Args:
        options: the strategy.
        run: whose budget is spent; hears the best answer so far.
    """

    def __init__(self, options: OptionsT, run: Run) -> None:
        self.options = options
        self.run = run
        self.tallies: dict[MeetingId, Tally] = {}
        self._judge = Judge(options, run)
        self._poll = Poll(run, self._share_of_votes, electorate=self._chosen)
        self._running: dict[MeetingId, list[asyncio.Task[None]]] = {}
        self._begun = set[MeetingId]()
        self._standing: Standing[MeetingId] = Standing({})
        self._is_closed = False
        self._is_over = False
        self._nothing: BudgetExhausted | None = None

    @abstractmethod
    def standing(self) -> Standing[MeetingId]:
        """Return what the rule makes of `keys` and `tallies`."""

    @abstractmethod
    def label(self, meeting: MeetingId) -> str:
        """Return the name of a meeting in the trace; no two have the same."""

    @property
    def keys(self) -> dict[int, str | None]:
        """The answer keys of the candidates that exist, by index."""
        keys = {ballot.sample.index: ballot.key for ballot in self._poll.ballots}
        if self._is_closed:
            keys = {index: keys.get(index) for index in range(self.options.n)}
        return keys

    async def outcome(self, problem: Problem) -> Outcome:
        """Draw and compare until the champion is certain, or the budget is spent.

        Raises:
            BudgetExhausted: the budget does not buy a single sample.
        """
        sampling = self.options.sampling()
        async with (
            self.run.sample(problem.prompt, n=self.options.n, sampling=sampling) as samples,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._draw(samples, group))
        if self._nothing is not None:
            raise self._nothing
        outcome = self._poll.outcome()
        self.run.note(
            champion=next((ballot.sample.index for ballot in self._winner(self._poll.ballots)), None),
            num_comparisons=sum(tally.num_comparisons for tally in self.tallies.values()),
            num_void=sum(tally.void for tally in self.tallies.values()),
        )
        return outcome

    async def _draw(self, samples: SampleBlock, group: asyncio.TaskGroup) -> None:
        proceed = partial(self._proceed, samples, group)
        try:
            await self._poll.hear(samples, until=proceed, num_expected=self.options.n)
        except BudgetExhausted as error:
            self._nothing = error
            return
        if not self._is_over:
            self._is_closed = True
            proceed()

    def _proceed(self, samples: SampleBlock, group: asyncio.TaskGroup) -> bool:
        """Begin the comparisons that are wanted, abort those that are not; return whether all is settled."""
        if self._is_over:
            return True
        best = self._poll.outcome()
        self.run.best(best.answer, key=best.key, confidence=best.confidence, text=best.text)
        if self._standing.champion is not None:
            if len(self._poll.ballots) < self.options.n and not self._is_closed:
                self._poll.stop_reason = "decided"
            self._end(samples)
            return True
        for meeting in [meeting for meeting in self._running if meeting not in self._standing.ready]:
            self._abort(meeting)
        for meeting, pair in self._standing.ready.items():
            if meeting not in self._begun:
                self._begin(meeting, pair, samples, group)
        return False

    def _begin(
        self, meeting: MeetingId, pair: tuple[int, int], samples: SampleBlock, group: asyncio.TaskGroup
    ) -> None:
        shown = {ballot.sample.index: ballot for ballot in self._poll.ballots}
        first, second = (shown_text(shown[index], self.options.show) for index in pair)
        orders = shown_swapped(self.options.num_comparisons)
        self._begun.add(meeting)
        self._running[meeting] = [
            group.create_task(self._compare(meeting, (first, second), is_swapped, count, samples, group))
            for is_swapped in (False, True)
            if (count := orders.count(is_swapped))
        ]

    async def _compare(
        self,
        meeting: MeetingId,
        texts: tuple[str, str],
        is_swapped: bool,
        count: int,
        samples: SampleBlock,
        group: asyncio.TaskGroup,
    ) -> None:
        """Have one meeting's candidates compared in one order."""

        def hear(sides: Sequence[Side | None]) -> None:
            if meeting in self._running and not self._is_over:
                for side in sides:
                    self.tallies[meeting] = self.tallies.get(meeting, Tally()).plus(side)
                self._proceed(samples, group)

        label = f"{self.label(meeting)}{', swapped' if is_swapped else ''}"
        try:
            await self._judge.compare(label, texts, count, is_swapped=is_swapped, hear=hear)
        except BudgetExhausted:
            if not self._is_over:
                self._poll.stop_reason = "budget"
                self._end(samples)

    def _abort(self, meeting: MeetingId) -> None:
        for task in self._running.pop(meeting):
            task.cancel()

    def _end(self, samples: SampleBlock) -> None:
        self._is_over = True
        for meeting in list(self._running):
            self._abort(meeting)
        samples.stop()

    # ── who is elected ────────────────────────────────────────────────────────────────────────────────────

    def _chosen(self, ballots: Sequence[Ballot]) -> Sequence[Ballot]:
        """Let only the champion vote, or who is best so far; nobody if nobody has an answer."""
        if not self._is_over:
            self._standing = self.standing()
        return self._winner(ballots)

    def _winner(self, ballots: Sequence[Ballot]) -> Sequence[Ballot]:
        champion, merits = self._standing.champion, self._standing.merits
        answered = {ballot.sample.index: ballot for ballot in ballots if ballot.key is not None}
        if champion is None:
            keys = keys_of(ballots)
            able = [index for index in answered if index in merits] or list(answered)
            champion = max(
                able,
                key=lambda index: (tuple(merits.get(index, ())), keys.count(answered[index].key), -index),
                default=None,
            )
        return [answered[champion]] if champion in answered else []

    def _share_of_votes(self, voters: Sequence[Ballot]) -> Majority | None:
        """Elect the only voter's answer, with the share of all candidates' votes that it has."""
        if not voters or (key := voters[0].key) is None:
            return None
        keys = [other for other in keys_of(self._poll.ballots) if other is not None]
        return Majority(key, keys.count(key), len(keys))


class PairContest(Contest[Meeting, OptionsT]):
    """A contest whose meetings are known by their two candidates, in their order."""

    def label(self, meeting: Meeting) -> str:
        """Return the two candidates."""
        return f"{meeting[0]} and {meeting[1]}"
