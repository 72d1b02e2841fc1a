"""`Engine`: one model, started once, on which any number of problems are solved at the same time.

Verifiers may use other models beside it; see `ttscale.run.rooms`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from ttscale.backends import Backend, load_backend
from ttscale.budget import Amount, Budget, PriceTable, Scope
from ttscale.errors import BudgetExhausted, BudgetTooSmall, CapabilityError, ConfigError
from ttscale.run import Run
from ttscale.run.room import Room
from ttscale.run.rooms import Rooms
from ttscale.scheduling import Auction, Purse
from ttscale.strategy import Strategy, demands, parts
from ttscale.tasks import TaskKeeper
from ttscale.trace import Trace
from ttscale.trace.work import work_of
from ttscale.types import Outcome, Problem
from ttscale.verifier import Verifier
from ttscale.virtual import BlockingWorkers, VirtualLoop
from ttscale.workers import Workers

if TYPE_CHECKING:
    from ttscale.tools import Tool

_LOG = logging.getLogger(__name__)


class Engine:
    """A started backend with scheduler, ledger and worker processes; an async context manager.

    Everything it starts ends with it: engines, processes and tasks. It belongs to the loop that entered it.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        max_in_flight: int | None = None,
        budget: Budget | None = None,
        prices: PriceTable | None = None,
        models: Mapping[str, Backend] | None = None,
    ) -> None:
        """Make an engine; nothing starts before it is entered.

        Args:
            backend: who generates.
            max_in_flight: most samples in the backend at once; default a little over its batch size.
            budget: limits on everything solved on this engine together.
            prices: for budgets and reports in US dollars; looked up by the model's name.
            models: others that verifiers and strategies may call by these names, each started when it is first
                needed. Whatever else they call a model must be its URI.
        """
        self.backend = backend
        self._max_in_flight = max_in_flight
        self._budget = budget
        self._prices = prices
        self._models = models or {}
        self._orders = itertools.count()
        self._stack = AsyncExitStack()
        self._room: Room | None = None

    async def __aenter__(self) -> Self:
        workers, keeper = self._new_workers(), TaskKeeper("the engine")
        rooms = Rooms(
            self.backend,
            named=self._models,
            workers=workers,
            keeper=keeper,
            prices=self._prices,
            max_in_flight=self._max_in_flight,
        )
        async with AsyncExitStack() as stack:
            for shared in (rooms, workers, keeper):  # left in the other order: tasks end before their engines
                await stack.enter_async_context(shared)
            self._room = await rooms.open(None)
            self.ledger = Scope(self._budget, label="run", clock=asyncio.get_running_loop().time)
            is_shared = self._budget is not None and self._budget != Budget()
            self._purse = Purse(self.ledger, Auction(self._most_at_once(None) if is_shared else None))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room = None
        await self._stack.aclose()

    def purse(self, budget: Budget, *, label: str = "purse", max_turns: int | None = None) -> Purse:
        """Return a budget for several questions to share, beside the engine's own: give it to `solve`.

        Args:
            budget: limits on them all together; its seconds begin now.
            label: names it in errors.
            max_turns: most of them that have a turn at once (see `Run.bidder`), >= 1, never more than the
                engine has samples in flight; default so many.

        Raises:
            ConfigError: the budget limits something that is not known of the model.
            RuntimeError: the engine has not been entered.
        """
        _check_known(budget, self.room)
        auction = Auction(self._most_at_once(max_turns))
        return Purse(self.ledger.child(budget, label=label), auction)

    def _most_at_once(self, max_turns: int | None) -> int:
        most = self.room.scheduler.statistics().max_in_flight
        return most if max_turns is None else min(most, max_turns)

    def _new_workers(self) -> Workers:
        """Return worker processes; in virtual time, where nobody waits for a process, calls that block."""
        is_virtual = isinstance(asyncio.get_running_loop(), VirtualLoop)
        return BlockingWorkers() if is_virtual else Workers()

    @property
    def room(self) -> Room:
        """What all runs share.

        Raises:
            RuntimeError: the engine has not been entered.
        """
        if self._room is None:
            raise RuntimeError("the engine is not running; use `async with Engine(backend) as engine`")
        return self._room

    @property
    def workers(self) -> Workers:
        """Separate processes for functions that are untrusted or block."""
        return self.room.workers

    def check(
        self, strategy: Strategy, *, problem: Problem | None = None, budget: Budget | None = None
    ) -> None:
        """Find out whether a strategy can run here; nothing is spent, and no model is started.

        Of another model that a verifier or strategy uses, what it can do is looked at once it has started; see
        `prepare`.

        Args:
            strategy: with the verifiers and strategies nested in it.
            problem: if given, whether one sample of its prompt fits the budget is checked too.
            budget: of one problem.

        Raises:
            CapabilityError: a model's backend cannot give what it needs.
            BudgetTooSmall: not one sample of one token fits.
            ConfigError: the budget limits something that is not known of a model, or there is no such model.
        """
        if self.backend.capabilities.rewards:
            raise CapabilityError(
                f"{self.backend.profile.name!r} is a reward model, which draws no samples; choose a model that "
                f"does, and give this one to a verifier, as `prm:model=URI` say."
            )
        used = [self.room]
        for part in parts(strategy, on_own_model=True):
            for model, needs in demands(part).items():
                if (room := self.room.rooms.started(model)) is not None:
                    _check_able(part, needs, room.backend)
                    used.append(room)
        for room in used:
            for limits in (budget, self._budget):
                _check_known(limits or Budget(), room)
        if problem is not None:
            self._check_affordable(problem, budget or Budget())

    async def prepare(
        self, strategy: Strategy, *, problem: Problem | None = None, budget: Budget | None = None
    ) -> None:
        """Do what `check` does, start the other models that the strategy and its verifiers name, check these.

        Raises:
            ConfigError: a model does not start; or as `check`.
        """
        self.check(strategy, problem=problem, budget=budget)
        others = [
            model for part in parts(strategy, on_own_model=True) for model in demands(part) if model is not None
        ]
        for model in others:
            await self.room.rooms.open(model)
        if others:
            self.check(strategy, problem=problem, budget=budget)

    def _check_affordable(self, problem: Problem, budget: Budget) -> None:
        prompt_tokens = self.backend.count_tokens(problem.prompt)
        counts = {"prompt_computed": prompt_tokens, "prompt_cached": 0, "generated": 1}
        cost = self.room.cost
        least = Amount(
            samples=1,
            tokens=prompt_tokens + 1,
            flops=cost.flops(**counts) or 0.0,
            usd=cost.usd(**counts) or 0.0,
        )
        scope = self.ledger.child(budget, label=problem.id)
        for link in scope.chain():
            if (name := link.lacking(least)) is not None:
                raise _too_small(link.exhausted(name, least))
        if scope.seconds_left() == 0:
            raise BudgetTooSmall("seconds", budget.seconds or 0.0, 0.0, 0.0, problem.id)

    def _kv_bytes(self, model: str | None) -> float | None:
        room = self.room.rooms.started(model)
        return None if room is None else room.backend.profile.kv_bytes_per_token

    async def solve(
        self,
        problem: Problem | str,
        *,
        strategy: Strategy,
        budget: Budget | None = None,
        purse: Purse | None = None,
        seed: int = 0,
        tools: Sequence[Tool] = (),
    ) -> Outcome:
        """Solve one problem; any number of calls may run at once.

        Args:
            problem: the problem, or a question in plain text.
            strategy: how to spend the budget.
            budget: limits for this problem, beside the engine's own.
            purse: one of this engine's, that this problem lives on together with others.
            seed: with the problem's id it determines every sample.
            tools: that come with the problem, see `Run.tools`.

        Returns:
            The outcome. A budget or deadline that ran out gives the best answer so far with stop reason
            ``"budget"`` (no answer, and `error` says why, if not one sample fitted); what failed inside
            gives stop reason ``"error"``.

        Raises:
            ConfigError: the strategy cannot run on this model, another one that it names does not start, or its
                plugins are not set up.
        """
        await self.prepare(strategy, budget=budget)
        asked = Problem.ask(problem) if isinstance(problem, str) else problem
        loop = asyncio.get_running_loop()
        limits = budget or Budget()
        trace = Trace(loop.time)
        span = trace.open("solve", type(strategy).__name__, parent=None, problem=asked.id)
        shared = purse or self._purse
        scope = shared.scope.child(limits, label=asked.id)
        run = Run(
            self.room,
            asked,
            scope,
            seed=seed,
            order=next(self._orders),
            trace=trace,
            span=span,
            auction=shared.auction,
            tools=tools,
        )
        started = loop.time()
        outcome = await _guarded(strategy, asked, run, scope.seconds_left())
        trace.close(span, stop_reason=outcome.stop_reason)
        trace.count_shared()
        return outcome.with_(
            usage=scope.usage,
            seconds=loop.time() - started,
            critical_path_tokens=run.critical_path_tokens,
            critical_path_seconds=run.critical_path_seconds,
            work=work_of(trace.spans, self._kv_bytes),
            trace=trace.to_json(),
        )


def _check_able(part: Strategy | Verifier, needs: frozenset[str], backend: Backend) -> None:
    if missing := backend.capabilities.lacking(needs):
        raise CapabilityError(
            f"{type(part).__name__} needs {' and '.join(missing)}, which the backend {backend.name!r} of "
            f"{backend.profile.name!r} does not give; choose another model URI or another strategy or verifier."
        )


def _check_known(budget: Budget, room: Room) -> None:
    counts = {"prompt_computed": 1, "prompt_cached": 0, "generated": 1}
    name = room.backend.profile.name
    if budget.flops is not None and room.cost.flops(**counts) is None:
        raise ConfigError(f"the size of {name!r} is unknown, so FLOPs cannot be limited; limit tokens instead.")
    if budget.usd is not None and room.cost.usd(**counts) is None:
        raise ConfigError(f"no price is known for {name!r}, so dollars cannot be limited; give a price table.")


async def _guarded(strategy: Strategy, problem: Problem, run: Run, seconds: float | None) -> Outcome:
    """Run the strategy; turn an exhausted budget, a deadline or a failure into an outcome."""
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            return await strategy.solve(problem, run)
    except Exception as error:  # a failed problem is data in the run's log
        causes = list(_leaves(error))
        configuration = next((cause for cause in causes if isinstance(cause, ConfigError)), None)
        if configuration is not None:
            raise configuration from error
        if deadline.expired() or all(isinstance(cause, BudgetExhausted) for cause in causes):
            return _best_so_far(run, causes)
        _LOG.warning("%s failed on %r", type(strategy).__name__, problem.id, exc_info=error)
        message = "; ".join(f"{type(cause).__name__}: {cause}" for cause in causes)
        return _best_so_far(run, []).with_(stop_reason="error", error=message)


def _best_so_far(run: Run, causes: list[BaseException]) -> Outcome:
    best = run.answer_so_far
    why = None
    if run.budget.usage.calls == 0 and causes and isinstance(causes[0], BudgetExhausted):
        why = str(_too_small(causes[0]))
    return Outcome(
        answer=best.answer,
        key=best.key,
        confidence=best.confidence,
        text=best.text,
        stop_reason="budget",
        error=why,
    )


def _too_small(error: BudgetExhausted) -> BudgetTooSmall:
    return BudgetTooSmall(error.kind, error.limit, error.needed, error.remaining, error.scope)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(inner)
    else:
        yield error


async def solve(
    question: Problem | str,
    *,
    model: str | Backend,
    strategy: Strategy,
    budget: Budget | None = None,
    seed: int = 0,
) -> Outcome:
    """Solve one problem on a model that is started for it; see `Engine.solve`.

    To solve several, enter one `Engine` and call its `solve` as often as wanted, all at once if you like.
    """
    backend = load_backend(model) if isinstance(model, str) else model
    async with Engine(backend) as engine:
        return await engine.solve(question, strategy=strategy, budget=budget, seed=seed)
