"""Running an evaluation: every problem of every benchmark under every strategy, on one engine.

1. Whatever can be found wrong is found before the first token: plugins, data, the run's directory, then, once
   the engine is up, what each strategy needs of the model and whether the budget buys a sample.
2. Strategies take turns, benchmark by benchmark; within a turn up to `concurrency` problems are at work at
   once. If strategies shared the engine, each one's seconds would depend on the others; like this a row's
   latency and wall clock are its own, at the price of a batch that runs empty at the end of each turn.
3. A result is committed when its problem ends. What was cut off is done again on resume, what was committed is
   not. A problem that failed is a committed result too; on resume it gets another attempt.
4. On recorded samples (``model: replay:POOL``) every strategy gets all of them anew, in the recorded order and
   then in as many drawn ones as the config wants; see `ttscale_evals.replay`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Final, cast

from ttscale.backends import Backend, load_backend
from ttscale.backends.replay import ReplayBackend
from ttscale.bank import Recorder, bank_to_fill
from ttscale.budget import Budget, PriceTable
from ttscale.budget.prices import prices_for
from ttscale.engine import Engine
from ttscale.errors import ConfigError, PluginError, TTScaleError
from ttscale.types import JSON, Outcome, Problem, Usage
from ttscale.virtual import VirtualLoop, run_virtual
from ttscale_evals.benchmarks.base import GRADER_FAILED, Grade
from ttscale_evals.config import EvalConfig
from ttscale_evals.derived import write_derived_files
from ttscale_evals.manifest import describe_run
from ttscale_evals.plan import Cell, Plan, make_plan
from ttscale_evals.progress import ProgressListener, ProgressTracker
from ttscale_evals.replay.engine import ReplayEngine
from ttscale_evals.replay.session import ReplaySession, is_complete
from ttscale_evals.replay.trials import FILE_NAME, TrialStore
from ttscale_evals.result import EvalResult, load_result
from ttscale_evals.store import Result, ResultStore, RunDirectory, StoredCell

_TICK_SECONDS: Final = 1.0


def evaluate(
    config: EvalConfig,
    *,
    out: Path,
    resume: bool = False,
    progress: ProgressListener | None = None,
) -> EvalResult:
    """Run `run_eval` on an event loop of its own: on recorded samples in virtual time, else in real time."""
    start = run_virtual if _is_replay(config) else asyncio.run
    return start(run_eval(config, out=out, resume=resume, progress=progress))


def _is_replay(config: EvalConfig) -> bool:
    """Whether the model is a recording; another is not loaded to find out: a finished run does not need it."""
    if not config.model.strip().endswith((".yaml", ".yml")):
        return config.model.strip().startswith("replay:")
    options = cast("Mapping[str, JSON]", config.model_options)
    return isinstance(load_backend(config.model, options), ReplayBackend)


async def run_eval(
    config: EvalConfig,
    *,
    out: Path,
    resume: bool = False,
    progress: ProgressListener | None = None,
    backend: Backend | None = None,
) -> EvalResult:
    """Evaluate, and return what is in the store at the end.

    Data are loaded on the event loop's thread before anything else happens.

    Args:
        config: what to run.
        out: the run's directory; made if need be.
        resume: go on with the run that is there, if there is one.
        progress: hears how far it is.
        backend: generates in place of what `config.model` names.

    Raises:
        ConfigError: something is wrong with config, data, directory, or what the strategies need.
        BudgetTooSmall: the budget does not buy one sample of a benchmark's first problem.
        BackendUnavailable: the model cannot be loaded or reached.
    """
    plan = make_plan(config)
    directory = RunDirectory(out)
    directory.check(plan.config, resume=resume)
    if directory.is_run and _is_finished(directory, plan):
        return load_result(out)
    chosen = backend or load_backend(config.model, cast("Mapping[str, JSON]", config.model_options))
    if config.orders and not isinstance(chosen, ReplayBackend):
        raise ConfigError(f"orders={config.orders} is of recorded samples only, and {config.model!r} has none.")
    prices = prices_for(
        Path(plan.config.prices) if plan.config.prices is not None else None,
        uri=config.model,
        name=chosen.profile.name,
        limits=(config.budget, config.total_budget),
    )
    async with _recorded(chosen, config) as source, _engine(source, prices) as engine:
        for cell in plan.cells:
            await engine.prepare(cell.strategy, problem=cell.problems[0], budget=config.budget)
            engine.check(cell.strategy, budget=config.total_budget)
        await _try_graders(plan, engine)
        about = describe_run(plan.config, chosen, prices)
        with directory.open(plan.config, about, resume=resume) as store, ExitStack() as stack:
            store.set_cells(_stored(plan))
            if isinstance(source, Recorder):
                for cell in plan.cells:
                    for problem in cell.problems:
                        source.add_problem(problem, benchmark=cell.benchmark_title)
            is_replay = isinstance(chosen, ReplayBackend)
            trials = stack.enter_context(TrialStore(out, writable=True)) if is_replay else None
            with _plain_errors():
                await _Session(plan, engine, store, trials, progress).run()
            result = load_result(out)
            write_derived_files(directory, store, result)
    return result


@asynccontextmanager
async def _recorded(backend: Backend, config: EvalConfig) -> AsyncGenerator[Backend]:
    """Lend a backend whose samples are kept, if the config wants that.

    Raises:
        ConfigError: its samples are a recording already, or the bank cannot be made.
        DataError: the file is no sample bank.
    """
    if config.record is None:
        yield backend
        return
    if isinstance(backend, ReplayBackend):
        raise ConfigError(f"the samples of {config.model!r} are recorded already; leave record out.")
    with bank_to_fill(Path(config.record)) as bank:
        yield Recorder(backend, bank)


def _engine(backend: Backend, prices: PriceTable | None) -> Engine:
    if isinstance(backend, ReplayBackend):
        return ReplayEngine(backend, prices=prices)
    return Engine(backend, prices=prices)


async def _try_graders(plan: Plan, engine: Engine) -> None:
    """Grade a reference answer of each benchmark in every worker.

    A grader that is not set up is found out, and the first row's seconds are not those of workers that start.
    """
    firsts = {id(cell.benchmark): cell for cell in plan.cells}
    for cell in firsts.values():
        problem = cell.problems[0]
        try:
            with _plain_errors():
                async with asyncio.TaskGroup() as group:
                    for _ in range(engine.workers.num_processes):
                        group.create_task(cell.benchmark.grade(problem, problem.target or "0", engine.workers))
        except TTScaleError:
            raise
        except Exception as error:
            title = cell.benchmark_title
            raise PluginError(f"the grader of {title!r} fails on a reference answer: {error!r}") from error


def _stored(plan: Plan) -> list[StoredCell]:
    return [
        StoredCell(
            number=cell.number,
            benchmark=cell.benchmark_title,
            strategy=cell.strategy_title,
            num_problems=len(cell.problems),
            fingerprint=cell.fingerprint,
        )
        for cell in plan.cells
    ]


def _is_finished(directory: RunDirectory, plan: Plan) -> bool:
    with ResultStore(directory.store_path) as store:
        attempts = store.attempts()
        unchanged = store.cells() == _stored(plan)
    if (directory.path / FILE_NAME).is_file():
        with TrialStore(directory.path) as trials:
            unchanged = unchanged and is_complete(trials, plan)
    done = {key for key, (_, failed) in attempts.items() if not failed}
    return unchanged and all(key in done for cell in plan.cells for key in cell.keys)


@contextmanager
def _plain_errors() -> Generator[None]:
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


class _Session:
    """One process at work on a run."""

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        store: ResultStore,
        trials: TrialStore | None,
        listener: ProgressListener | None,
    ) -> None:
        self.plan = plan
        self.config = plan.config
        self.engine = engine
        self.store = store
        self.listener = listener
        self.attempts = store.attempts()
        self.spent_before = _spent(store) if self.config.total_budget is not None else (Usage(), 0.0)
        self.replay = None
        if trials is not None and isinstance(engine.backend, ReplayBackend):
            self.replay = ReplaySession(plan, engine, engine.backend, trials, self._is_right)
        self.known_grades = dict[tuple[int, str, str | None], Grade]()
        self.cell = plan.cells[0]
        self.now = asyncio.get_running_loop().time
        self.is_virtual = isinstance(asyncio.get_running_loop(), VirtualLoop) and self.replay is not None
        self.clock = time.monotonic if self.is_virtual else self.now
        self.began, self.began_waiting = self.now(), self.clock()
        self.cell_began = self.began
        self.reported = self.clock()
        self.tracker = self._tracker()

    def _tracker(self) -> ProgressTracker:
        rounds, replayed = 1 + self.config.orders, self.replay.num_done if self.replay is not None else {}
        tracker = ProgressTracker(
            weights={cell.number: float(cell.strategy.max_samples() or 1) for cell in self.plan.cells},
            sizes={cell.number: rounds * len(cell.problems) for cell in self.plan.cells},
            done_before={
                cell.number: sum(map(self._is_done, cell.keys))
                + replayed.get(cell.number, 0) * len(cell.problems)
                for cell in self.plan.cells
            },
        )
        tracker.correct = self.store.num_correct()
        return tracker

    def _is_done(self, key: str) -> bool:
        attempt = self.attempts.get(key)
        return attempt is not None and not attempt[1]

    async def run(self) -> None:
        """Do what has not been done, until it is done or the run's total budget is spent."""
        async with asyncio.TaskGroup() as group:
            ticker = group.create_task(self._tick())
            if self.replay is not None:
                await self.replay.measure_references()
            for cell in self.plan.cells:
                await self._run_cell(cell)
            if self.replay is not None:
                await self.replay.run_orders(self._on_replayed)
            ticker.cancel()

    async def _run_cell(self, cell: Cell) -> None:
        self.cell, self.cell_began = cell, self.now()
        if self.replay is not None:
            self.replay.begin(cell)
        waiting = iter([position for position, key in enumerate(cell.keys) if not self._is_done(key)])
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.config.concurrency, len(cell.problems))):
                group.create_task(self._work(cell, waiting))

    async def _work(self, cell: Cell, waiting: Iterator[int]) -> None:
        """Take problems until there are none left; as many of these run at once as the config says."""
        for position in waiting:
            if self._is_spent() or (self.replay is not None and self.replay.is_refused(cell)):
                return
            await self._do(cell, position)

    async def _do(self, cell: Cell, position: int) -> None:
        problem, key = cell.problems[position], cell.keys[position]
        outcome = await self.engine.solve(
            problem, strategy=cell.strategy, budget=self.config.budget, seed=self.config.seed
        )
        if self.replay is not None:
            outcome = self.replay.judge(cell, problem, outcome) or outcome
        grade = await self._grade(cell, problem, outcome)
        attempt = self.attempts[key][0] + 1 if key in self.attempts else 0
        result = Result(
            key=key,
            cell=cell.number,
            position=position,
            problem_id=problem.id,
            question=problem.prompt.question,
            target=problem.target,
            outcome=outcome,
            grade=grade,
            attempt=attempt,
        )
        self.store.add(result, cell_seconds=self.now() - self.cell_began, keep_trace=self.config.traces)
        self.tracker.add(cell.number, correct=grade.correct, failed=result.is_failed)
        self._report()

    async def _grade(self, cell: Cell, problem: Problem, outcome: Outcome) -> Grade:
        if outcome.stop_reason == "error":
            return Grade(correct=False, value=None, reason="failed")
        return await self._grade_answer(cell, problem, outcome.answer)

    async def _grade_answer(self, cell: Cell, problem: Problem, answer: str | None) -> Grade:
        """Grade an answer; in a replay, where the same ones come again and again, each of them once."""
        name = (id(cell.benchmark), problem.id, answer)
        if name in self.known_grades:
            return self.known_grades[name]
        try:
            grade = await cell.benchmark.grade(problem, answer, self.engine.workers)
        except ConfigError:
            raise
        except Exception as error:  # a grader that breaks on one answer must not lose the others
            reason = f"{GRADER_FAILED}: {type(error).__name__}: {error}"
            grade = Grade(correct=False, value=None, reason=reason)
        if self.replay is not None:
            self.known_grades[name] = grade
        return grade

    async def _is_right(self, cell: Cell, problem: Problem, answer: str | None) -> bool:
        return (await self._grade_answer(cell, problem, answer)).correct

    def _on_replayed(self, cell: Cell) -> None:
        self.cell = cell
        self.tracker.add(cell.number, correct=False, failed=False)
        if self.clock() - self.reported >= _TICK_SECONDS:
            self._report()

    def _is_spent(self) -> bool:
        limit = self.config.total_budget
        if limit is None:
            return False
        usage = self.spent_before[0] + self.engine.ledger.usage
        spent = {
            "samples": usage.calls,
            "tokens": usage.tokens,
            "seconds": self.spent_before[1] + self.now() - self.began,
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
        self.reported = self.clock()
        if self.listener is not None:
            titles = (self.cell.benchmark_title, self.cell.strategy_title)
            usage, seconds = self.engine.ledger.usage, self.clock() - self.began_waiting
            self.listener(self.tracker.progress(self.cell.number, titles, usage, seconds))


def _spent(store: ResultStore) -> tuple[Usage, float]:
    """Return usage and seconds of all earlier sessions."""
    usage = Usage()
    for superseded in (False, True):
        for result in store.results(superseded=superseded):
            usage += result.outcome.usage
    return usage, sum(store.wall_seconds(cell.number) for cell in store.cells())
