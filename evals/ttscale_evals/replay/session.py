"""The replay side of a run: a new deal for each row, refusals, drawn orders, and the reference."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, cast

import numpy as np

from ttscale.backends.replay import ReplayBackend
from ttscale.engine import Engine
from ttscale.errors import ConfigError
from ttscale.run.seeds import derive_seed
from ttscale.strategy import demands, parts
from ttscale.types import JSON, Outcome, Problem
from ttscale.virtual import VirtualLoop
from ttscale_evals.benchmarks.base import Attempt, attempt_at
from ttscale_evals.plan import Cell, Plan
from ttscale_evals.replay.matched import Measured
from ttscale_evals.replay.reference import make_reference, read_answers
from ttscale_evals.replay.trials import Refusal, TrialStore
from ttscale_evals.sharing import num_at_once, own_budget, purse_of

IsRight = Callable[[Cell, Problem, str | None, Attempt | None], Awaitable[bool]]
"""Whether an answer to a problem of a cell is right, given in an attempt at it."""

OnSolved = Callable[[Cell], None]
"""Called after each problem."""


class ReplaySession:
    """What a run on recorded samples does beside an ordinary one."""

    def __init__(
        self, plan: Plan, engine: Engine, backend: ReplayBackend, trials: TrialStore, is_right: IsRight
    ) -> None:
        """Do nothing yet.

        Raises:
            ConfigError: orders are to be drawn, and this is no virtual clock: it would take as long as the
                recording, as many times as there are orders.
        """
        self._plan = plan
        self._engine = engine
        self._own = backend
        self._backends: Sequence[ReplayBackend] = (backend,)
        self._trials = trials
        self._is_right = is_right
        self._refused = set[int]()
        self.orders: Final = orders_of(plan)
        if self.orders and not isinstance(asyncio.get_running_loop(), VirtualLoop):
            raise ConfigError("orders are replayed on a virtual clock; run this with ttscale.bank.run_replay.")

    # ── the recorded order ────────────────────────────────────────────────────────────────────────────────

    def begin(self, cell: Cell) -> None:
        """Deal anew for a row, in the order that the model's options say, recorded or drawn."""
        self._trials.clear_refusal(cell.number)
        self._deal(cell, None)

    def _deal(self, cell: Cell, order: int | None) -> None:
        """Deal anew; the models that a strategy asks beside the one that samples may be recorded as well."""
        rooms = self._engine.room.rooms
        named = dict.fromkeys(model for part in parts(cell.strategy) for model in demands(part))
        started = [room.backend for model in named if (room := rooms.started(model)) is not None]
        self._backends = [self._own, *(one for one in started if isinstance(one, ReplayBackend))]
        for backend in self._backends:
            backend.refusals.clear()
            backend.deal(backend.order if order is None else order)

    def is_refused(self, cell: Cell) -> bool:
        """Whether a cell asked for what is not recorded: there is no point in going on with it."""
        return cell.number in self._refused

    def judge(self, cell: Cell, problem: Problem, outcome: Outcome) -> Outcome | None:
        """Return a failure in place of an outcome that rests on samples which were refused, else ``None``."""
        message = refusal_in(outcome, [said for backend in self._backends for said in backend.refusals])
        if message is None:
            return None
        reason = f"{cell.strategy_title} cannot be replayed on the problem {problem.id!r}: {message}"
        self._refused.add(cell.number)
        self._trials.add_refusal(cell.number, Refusal(problem=problem.id, reason=reason))
        return outcome.with_(
            answer=None, key=None, confidence=None, text=None, stop_reason="error", error=reason
        )

    # ── drawn orders ──────────────────────────────────────────────────────────────────────────────────────

    async def run_orders(self, on_solved: OnSolved) -> None:
        """Replay every cell that was not refused in every drawn order that has not been done."""
        for cell in self._plan.cells:
            done = self._trials.trials(cell.number)
            for place, order in enumerate(self.orders):
                if place in done or self.is_refused(cell):
                    continue
                measured = await self._replay(cell, order, on_solved)
                if measured is not None:
                    self._trials.add_trial(cell.number, place, measured)

    async def _replay(self, cell: Cell, order: int, on_solved: OnSolved) -> Measured | None:
        """Replay a cell in one order, problem by problem or as who share a budget; ``None``: it was refused."""
        self._deal(cell, order)
        concurrency = self._plan.config.concurrency
        purse = purse_of(cell, self._engine, max_turns=concurrency)
        rows = dict[int, tuple[float, ...]]()
        waiting = iter(enumerate(cell.problems))

        async def take() -> None:
            for place, problem in waiting:
                attempt = attempt_at(cell.benchmark, problem)
                outcome = await self._engine.solve(
                    problem,
                    strategy=cell.strategy,
                    budget=own_budget(cell),
                    purse=purse,
                    seed=order,
                    tools=attempt.tools,
                )
                if self.is_refused(cell) or self.judge(cell, problem, outcome) is not None:
                    return
                rows[place] = await self._measured(cell, problem, outcome, attempt)
                on_solved(cell)

        async with asyncio.TaskGroup() as group:
            for _ in range(1 if purse is None else min(num_at_once(cell, concurrency), len(cell.problems))):
                group.create_task(take())
        if self.is_refused(cell):
            return None
        columns = np.array([row for _, row in sorted(rows.items())], dtype=np.float64).T
        return Measured(
            correct=columns[0],
            tokens=columns[1],
            samples=columns[2],
            critical_path_tokens=columns[3],
            seconds=columns[4],
        )

    async def _measured(
        self, cell: Cell, problem: Problem, outcome: Outcome, attempt: Attempt
    ) -> tuple[float, ...]:
        """Return the numbers of an outcome, as `Measured` has them."""
        is_finished = outcome.stop_reason != "error"
        is_right = is_finished and await self._is_right(cell, problem, outcome.answer, attempt)
        usage, path = outcome.usage, outcome.critical_path_tokens
        return is_right, usage.tokens, usage.calls, path, outcome.seconds

    async def measure_references(self) -> None:
        """Compute what plain majority voting comes to on each benchmark, where that is not known yet."""
        known = self._trials.references()
        firsts = {(cell.benchmark_title, cell.model.title): cell for cell in reversed(self._plan.cells)}
        for (title, model), cell in firsts.items():
            if (title, model) in known or (title, "") in known:
                continue

            async def is_right(problem: Problem, answer: str | None, of: Cell = cell) -> bool:
                return await self._is_right(of, problem, answer, None)

            found = [
                await read_answers(problem, self._own, self._engine.workers, is_right)
                for problem in cell.problems
            ]
            held = [answers for answers in found if answers is not None]
            reference = make_reference(held, self.orders) if len(held) == len(found) else None
            if reference is not None:
                self._trials.set_reference(title, model, reference)


def orders_of(plan: Plan) -> Sequence[int]:
    """Return the seeds of the orders that a plan wants drawn."""
    return [derive_seed(plan.config.seed, "order", place) for place in range(plan.config.orders)]


def refusal_in(outcome: Outcome, refusals: Iterable[str]) -> str | None:
    """Return the first of a backend's refusals that one of a run's samples met with."""
    known = set(refusals)
    if not known:
        return None
    spans = (cast("Mapping[str, JSON]", span["attributes"]) for span in outcome.trace)
    errors = (attributes.get("error") for attributes in spans)
    return next((error for error in errors if isinstance(error, str) and error in known), None)


def is_complete(trials: TrialStore, plan: Plan) -> bool:
    """Whether every drawn order that a plan wants has been replayed."""
    counts = trials.counts()
    return all(counts.get(cell.number, 0) == plan.config.orders for cell in plan.cells)
