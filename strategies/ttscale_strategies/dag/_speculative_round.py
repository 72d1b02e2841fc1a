"""One round of speculative planning: a draft agent ahead, a target that checks each of its steps at once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ttscale.errors import BackendError, BudgetExhausted
from ttscale.types import Sample
from ttscale_strategies.dag.acting import Action, Step, read_action

Ask: TypeAlias = Callable[[Sequence[Step]], Awaitable[Sample]]
"""Has a model write the step after these; a failed sample comes back as it is."""

Act: TypeAlias = Callable[[Action], Awaitable[Step]]
"""Does what an action says."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the target says at a place."""

    sample: Sample
    action: Action


@dataclass(slots=True, eq=False)
class _Place:
    """One step ahead: what the draft guesses there and what the target says."""

    number: int
    prefix: tuple[Step, ...]
    checking: asyncio.Task[None] | None = None
    verdict: Verdict | BudgetExhausted | None = None
    guess: Action | None = None
    step: Step | None = None
    """What came of the guess."""
    is_checked: asyncio.Event = field(default_factory=asyncio.Event)
    is_acted: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, kw_only=True)
class RoundResult:
    """What a round brought."""

    end: Verdict | None = None
    """What the target said last, if it failed or ends the work."""
    num_steps: int = 0
    """Steps taken."""
    num_matched: int = 0
    """Places at which the draft was right, from the first one on."""
    is_mismatch: bool = False
    """Whether the round ended since the draft was wrong."""


class Round:
    """Drafts up to k steps from a verified prefix while the target checks all of them side by side.

    What the target says is taken, in order, up to the first place at which the draft differs from it; as soon
    as any place is known to differ, the draft and all checks behind that place are stopped in the engine,
    while those before it go on: one of them may differ too. A target that is there before the draft is not
    kept
    waiting: its step is taken, and the draft starts anew from it.
    """

    def __init__(
        self,
        prefix: Sequence[Step],
        *,
        draft: Ask,
        target: Ask,
        act: Act,
        hear: Callable[[Verdict], Awaitable[None]],
        take: Callable[[Step], None],
    ) -> None:
        """Begin nothing yet.

        Args:
            prefix: steps that the target has agreed to.
            draft: asks the draft model.
            target: asks the target model.
            act: calls the tools.
            hear: told what the target says that counts, in order.
            take: told of the step that came of it.
        """
        self._prefix = tuple(prefix)
        self._draft, self._target, self._act = draft, target, act
        self._hear, self._take = hear, take
        self._places = list[_Place]()
        self._end: int | None = None
        self._drafting: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None

    async def play(self, depth: int) -> RoundResult:
        """Take the steps that the target agrees to, and one of its own.

        Args:
            depth: k, steps that the draft may take, >= 0; 0: the target goes alone, by one step.

        Raises:
            BudgetExhausted: the next step of the target, or its tool call, does not fit the budget.
        """
        result = RoundResult()
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._open(self._prefix)
                if depth:
                    self._drafting = group.create_task(self._run_ahead(depth))
                try:
                    await self._walk(result)
                finally:
                    self._cut(-1)
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return result

    # ── the walk of the target ────────────────────────────────────────────────────────────────────────────

    async def _walk(self, result: RoundResult) -> None:
        for number in itertools.count():
            place = self._places[number]
            await place.is_checked.wait()
            if isinstance(place.verdict, BudgetExhausted):
                raise place.verdict
            assert place.verdict is not None
            verdict = place.verdict
            await self._hear(verdict)
            if verdict.sample.finish_reason in ("error", "abort"):
                result.end = verdict
                return
            is_match = place.guess == verdict.action
            if not is_match:
                result.is_mismatch = place.guess is not None
                self._cut(number)
            result.num_matched += is_match
            if verdict.action.kind == "finish":
                result.end = verdict
                return
            self._take(await self._taken(place, verdict.action))
            result.num_steps += 1
            if not is_match or number + 1 == len(self._places):
                return

    async def _taken(self, place: _Place, action: Action) -> Step:
        """Take the target's step; where it is the draft's, it has been taken or is under way."""
        if place.guess == action:
            await place.is_acted.wait()
            if place.step is not None:
                return place.step
        return await self._act(action)

    # ── the draft and the checks ──────────────────────────────────────────────────────────────────────────

    async def _run_ahead(self, depth: int) -> None:
        place = self._places[0]
        for number in range(depth):
            place.guess = await self._guess(place.prefix)
            self._compare(place)
            if place.guess is None or place.guess.kind == "finish" or self._is_cut(number):
                return
            try:
                place.step = await self._act(place.guess)
            except BudgetExhausted:
                return
            finally:
                place.is_acted.set()
            if number + 1 < depth:
                place = self._open((*place.prefix, place.step))

    async def _guess(self, prefix: Sequence[Step]) -> Action | None:
        """Return the draft's next action; ``None``: it has none that could be right."""
        try:
            sample = await self._draft(prefix)
        except (BackendError, BudgetExhausted):
            return None
        action = read_action(sample.text)
        return None if sample.finish_reason in ("error", "abort") or action.kind == "unreadable" else action

    def _open(self, prefix: tuple[Step, ...]) -> _Place:
        assert self._group is not None
        place = _Place(len(self._places), prefix)
        place.checking = self._group.create_task(self._check(place))
        self._places.append(place)
        return place

    async def _check(self, place: _Place) -> None:
        try:
            sample = await self._target(place.prefix)
            place.verdict = Verdict(sample, read_action(sample.text))
        except BudgetExhausted as error:
            place.verdict = error
        self._compare(place)
        place.is_checked.set()

    def _compare(self, place: _Place) -> None:
        """Cut off all behind a place at which the draft is known to be wrong."""
        verdict = place.verdict
        if isinstance(verdict, Verdict) and place.guess is not None and place.guess != verdict.action:
            self._cut(place.number)

    def _is_cut(self, number: int) -> bool:
        return self._end is not None and number >= self._end

    def _cut(self, number: int) -> None:
        """Stop the draft, and the checks of all places behind one."""
        if self._end is not None and number >= self._end:
            return
        self._end = number
        if self._drafting is not None:
            self._drafting.cancel()
        for place in self._places[number + 1 :]:
            if place.checking is not None:
                place.checking.cancel()
