"""One process at work on a run: which problem is begun when, what is committed, what is told of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from itertools import chain
from typing import Final, cast

from ttscale.backends.replay import ReplayBackend
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.errors import ConfigError
from ttscale.scheduling import Purse
from ttscale.types import Outcome, Problem, Usage
from ttscale.virtual import VirtualLoop
from ttscale_evals.benchmarks.base import GRADER_FAILED, Attempt, Grade, attempt_at
from ttscale_evals.metrics.threads import thread_measures
from ttscale_evals.metrics.tool_use import tool_measures
from ttscale_evals.plan import Cell, Plan
from ttscale_evals.progress import ProgressListener, ProgressTracker
from ttscale_evals.replay.session import ReplaySession
from ttscale_evals.replay.trials import TrialStore
from ttscale_evals.sharing import is_shared, num_at_once, own_budget, purse_of
from ttscale_evals.store import Result, ResultStore

_TICK_SECONDS: Final = 1.0


class Session:
    """What the models of a run share: the store, what is done and spent, and who hears of it."""

    def __init__(
        self,
        plan: Plan,
        store: ResultStore,
        *,
        trials: TrialStore | None = None,
        listener: ProgressListener | None = None,
    ) -> None:
        """Begin; nothing is done yet.

        Args:
            plan: all there is to do.
            store: opened for writing, with the plan's cells.
            trials: where a replay keeps its drawn orders; ``None``: this is none.
            listener: hears how far it is.
        """
        self.plan = plan
        self.store = store
        self.trials = trials
        self.listener = listener
        self.attempts = store.attempts()
        self.now = asyncio.get_running_loop().time
        self.is_virtual = isinstance(asyncio.get_running_loop(), VirtualLoop) and trials is not None
        self._clock = time.monotonic if self.is_virtual else self.now
        self._began, self._began_waiting = self.now(), self._clock()
        self._reported = self._clock()
        self._first_begun = dict[int, float]()
        self._cell = plan.cells[0]
        self._engines = list[Engine]()
        has_limit = plan.config.total_budget is not None
        self._spent_before = _spent(store) if has_limit else (Usage(), 0.0)
        self._tracker = self._new_tracker()

    def _new_tracker(self) -> ProgressTracker:
        cells, rounds = self.plan.cells, 1 + self.plan.config.orders
        replayed = self.trials.counts() if self.trials is not None else {}
        tracker = ProgressTracker(
            weights={cell.number: float(cell.strategy.max_samples() or 1) for cell in cells},
            sizes={cell.number: rounds * len(cell.problems) for cell in cells},
            done_before={
                cell.number: sum(map(self.is_done, cell.keys))
                + replayed.get(cell.number, 0) * len(cell.problems)
                for cell in cells
            },
        )
        tracker.correct = self.store.num_correct()
        return tracker

    def is_done(self, key: str) -> bool:
        """Whether there was a result when the session began, and no failed one."""
        attempt = self.attempts.get(key)
        return attempt is not None and not attempt[1]

    async def run(self, engine: Engine, cells: Iterable[Cell]) -> None:
        """Do what has not been done of some cells on an engine, or until the run's total budget is spent."""
        self._engines.append(engine)
        work = _Work(self, engine, list(cells))
        async with asyncio.TaskGroup() as group:
            ticker = group.create_task(self._tick())
            await work.run()
            ticker.cancel()

    # ── what the work tells ───────────────────────────────────────────────────────────────────────────────

    def begin(self, cell: Cell) -> None:
        """Hear that one of a cell's problems is begun."""
        self._cell = cell
        self._first_begun.setdefault(cell.number, self.now())

    def commit(self, cell: Cell, position: int, outcome: Outcome, grade: Grade) -> None:
        """Keep a result."""
        problem, key = cell.problems[position], cell.keys[position]
        result = Result(
            key=key,
            cell=cell.number,
            position=position,
            problem_id=problem.id,
            question=problem.prompt.question,
            target=problem.target,
            outcome=outcome,
            grade=grade,
            attempt=self.attempts[key][0] + 1 if key in self.attempts else 0,
        )
        self.store.add(
            result,
            cell_seconds=self.now() - self._first_begun[cell.number],
            session_seconds=self.now() - self._began,
            keep_trace=self.plan.config.traces,
        )
        self._tracker.add(cell.number, correct=grade.correct, failed=result.is_failed)
        self._report()

    def replayed(self, cell: Cell) -> None:
        """Hear that a problem was answered in a drawn order."""
        self._cell = cell
        self._tracker.add(cell.number, correct=False, failed=False)
        if self._clock() - self._reported >= _TICK_SECONDS:
            self._report()

    # ── what was spent ────────────────────────────────────────────────────────────────────────────────────

    @property
    def usage(self) -> Usage:
        """Of this session, on all engines."""
        return sum((engine.ledger.usage for engine in self._engines), Usage())

    def spent_on(self, cell: Cell) -> Iterator[Usage]:
        """Yield what was spent on a row's problems so far, attempts that failed included."""
        for superseded in (False, True):
            for result in self.store.results(superseded=superseded):
                if result.cell == cell.number:
                    yield result.outcome.usage

    def is_spent(self) -> bool:
        """Whether the run's total budget is."""
        limit = self.plan.config.total_budget
        if limit is None:
            return False
        usage = self._spent_before[0] + self.usage
        spent = {
            "samples": usage.calls,
            "tokens": usage.tokens,
            "seconds": self._spent_before[1] + self.now() - self._began,
            "flops": usage.flops,
            "usd": usage.usd,
            "tool_calls": usage.tool_calls,
        }
        limits = {f.name: getattr(limit, f.name) for f in fields(Budget)}
        return any(most is not None and (spent[name] or 0) >= most for name, most in limits.items())

    async def _tick(self) -> None:
        while self.listener is not None and not self.is_virtual:
            self._report()
            await asyncio.sleep(_TICK_SECONDS)

    def _report(self) -> None:
        self._reported = self._clock()
        if self.listener is not None:
            seconds = self._clock() - self._began_waiting
            cell = self._cell
            model = cell.model.title if len(self.plan.config.models) > 1 else ""
            titles = (cell.benchmark_title, cell.strategy_title, model)
            self.listener(self._tracker.progress(cell.number, titles, self.usage, seconds))


class _Work:
    """The work on one model's cells."""

    def __init__(self, session: Session, engine: Engine, cells: list[Cell]) -> None:
        self._session = session
        self._config = session.plan.config
        self._engine = engine
        self._cells = cells
        self._grades = dict[tuple[int, str, str | None], Grade]()
        self._purse: Purse | None = None
        self._replay = None
        if session.trials is not None and isinstance(engine.backend, ReplayBackend):
            part = Plan(config=self._config, cells=cells)
            self._replay = ReplaySession(part, engine, engine.backend, session.trials, self._is_right)

    async def run(self) -> None:
        in_turns = self._cells
        if self._replay is not None:
            await self._replay.measure_references()
        elif not self._config.turns:
            await self._do_all(self._left(cell for cell in self._cells if not is_shared(cell)))
            in_turns = [cell for cell in self._cells if is_shared(cell)]
        for cell in in_turns:
            if self._replay is not None:
                self._replay.begin(cell)
            await self._do_row(cell)
        if self._replay is not None:
            await self._replay.run_orders(self._session.replayed)

    async def _do_row(self, cell: Cell) -> None:
        """Do what has not been done of one row; problems that share its budget share what is left of it."""
        left = self._left([cell])
        if left:
            concurrency = self._config.concurrency
            spent = self._session.spent_on(cell) if is_shared(cell) else ()
            self._purse = purse_of(cell, self._engine, max_turns=concurrency, spent=spent)
            await self._do_all(left, at_once=num_at_once(cell, concurrency))
            self._purse = None

    def _left(self, cells: Iterable[Cell]) -> list[tuple[Cell, int]]:
        """Return every problem of some cells that has not been done, in their order."""
        positions = (
            [(cell, place) for place, key in enumerate(cell.keys) if not self._session.is_done(key)]
            for cell in cells
        )
        return list(chain.from_iterable(positions))

    async def _do_all(self, left: list[tuple[Cell, int]], *, at_once: int | None = None) -> None:
        """Do problems, as many at once as the config says or more; whoever is done with one takes the next."""
        waiting = iter(left)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once or self._config.concurrency, len(left))):
                group.create_task(self._take(waiting))

    async def _take(self, waiting: Iterator[tuple[Cell, int]]) -> None:
        for cell, position in waiting:
            if self._session.is_spent() or (self._replay is not None and self._replay.is_refused(cell)):
                return
            await self._do(cell, position)

    async def _do(self, cell: Cell, position: int) -> None:
        self._session.begin(cell)
        problem = cell.problems[position]
        attempt = attempt_at(cell.benchmark, problem)
        outcome = await self._engine.solve(
            problem,
            strategy=cell.strategy,
            budget=own_budget(cell),
            purse=self._purse,
            seed=self._config.seed,
            tools=attempt.tools,
        )
        if self._replay is not None:
            outcome = self._replay.judge(cell, problem, outcome) or outcome
        self._session.commit(cell, position, outcome, await self._grade(cell, problem, outcome, attempt))

    async def _grade(self, cell: Cell, problem: Problem, outcome: Outcome, attempt: Attempt) -> Grade:
        if outcome.stop_reason == "error":
            return Grade(correct=False, value=None, reason="failed")
        grade = await self._grade_answer(cell, problem, outcome.answer, attempt)
        optimum = cast("float | None", problem.meta.get("optimum_seconds"))
        used = tool_measures(outcome.trace, optimum_seconds=optimum)
        return replace(grade, measures={**grade.measures, **used, **thread_measures(outcome)})

    async def _grade_answer(
        self, cell: Cell, problem: Problem, answer: str | None, attempt: Attempt | None = None
    ) -> Grade:
        """Grade an answer; in a replay, where the same ones come again and again, each of them once.

        What hangs on more than the answer, on what tools did in an attempt, is graded each time.
        """
        name = (id(cell.benchmark), problem.id, answer)
        own = None if attempt is None else attempt.grade
        if own is None and name in self._grades:
            return self._grades[name]
        try:
            if own is not None:
                return await own(answer, self._engine.workers)
            grade = await cell.benchmark.grade(problem, answer, self._engine.workers)
        except ConfigError:
            raise
        except Exception as error:  # a grader that breaks on one answer must not lose the others
            reason = f"{GRADER_FAILED}: {type(error).__name__}: {error}"
            grade = Grade(correct=False, value=None, reason=reason)
        if self._replay is not None:
            self._grades[name] = grade
        return grade

    async def _is_right(
        self, cell: Cell, problem: Problem, answer: str | None, attempt: Attempt | None = None
    ) -> bool:
        return (await self._grade_answer(cell, problem, answer, attempt)).correct


def _spent(store: ResultStore) -> tuple[Usage, float]:
    """Return usage and seconds of all earlier sessions."""
    usage = Usage()
    for superseded in (False, True):
        for result in store.results(superseded=superseded):
            usage += result.outcome.usage
    return usage, store.seconds_at_work()


@contextmanager
def plain_errors() -> Generator[None]:
    """Let an error out of its task group by itself; of several one about the configuration, else the first."""
    try:
        yield
    except BaseExceptionGroup as group:
        leaves = list(_leaves(group))
        raise next((leaf for leaf in leaves if isinstance(leaf, ConfigError)), leaves[0]) from group


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
