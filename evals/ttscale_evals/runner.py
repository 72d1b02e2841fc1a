"""Running an evaluation: every problem of every benchmark under every model, budget and strategy.

1. Whatever can be found wrong is found before the first token: plugins, data, the run's directory, then, once
   the engine is up, what each strategy needs of the model and whether the budget buys a sample.
2. Models come one after another, each on an engine of its own that ends before the next one begins. A model of
   which everything is done is not started.
3. On a model `concurrency` problems are at work all the time: whoever is done with one takes the next, of the
   next row if need be, and no batch runs empty between rows. So rows overlap, and how long a problem takes
   depends on what else is at work. With ``turns: true`` rows take turns, and each one's seconds are its own.
   What is sampled, and every grade, is the same either way.
4. A result is committed when its problem ends. What was cut off is done again on resume, what was committed is
   not. A problem that failed is a committed result too; on resume it gets another attempt.
5. A resumed run may be given more benchmarks, strategies, models, budgets or problems.
6. On recorded samples (``model: replay:POOL``) rows take turns in virtual time, and each gets all samples anew,
   in the recorded order and then in as many drawn ones as the config wants; see `ttscale_evals.replay`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ttscale.backends import Backend
from ttscale.bank import Recorder
from ttscale.engine import Engine
from ttscale.errors import PluginError, TTScaleError
from ttscale.virtual import run_virtual
from ttscale_evals.config import EvalConfig, ModelConfig, budget_text
from ttscale_evals.derived import write_derived_files
from ttscale_evals.manifest import describe_model, describe_run
from ttscale_evals.plan import Cell, Plan, fingerprint, make_plan
from ttscale_evals.progress import ProgressListener
from ttscale_evals.replay.session import is_complete
from ttscale_evals.replay.trials import FILE_NAME, TrialStore
from ttscale_evals.result import EvalResult, load_result
from ttscale_evals.session import Session, plain_errors
from ttscale_evals.sources import find_sources, is_replay, started
from ttscale_evals.store import ResultStore, RunDirectory, StoredCell
from ttscale_evals.store.cells import Begins, renumbering


def evaluate(
    config: EvalConfig,
    *,
    out: Path,
    resume: bool = False,
    progress: ProgressListener | None = None,
) -> EvalResult:
    """Run `run_eval` on an event loop of its own: on recorded samples in virtual time, else in real time."""
    start = run_virtual if is_replay(config) else asyncio.run
    return start(run_eval(config, out=out, resume=resume, progress=progress))


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
        backend: generates in place of what `config.models` name.

    Raises:
        ConfigError: something is wrong with config, data, directory, or what the strategies need.
        BudgetTooSmall: the budget does not buy one sample of a benchmark's first problem.
        BackendUnavailable: a model cannot be loaded or reached.
    """
    plan = make_plan(config)
    directory = RunDirectory(out)
    directory.check(plan.config, resume=resume)
    unfinished = _unfinished(directory, plan)
    if not unfinished:
        _renumber(directory, plan)
        return load_result(out)
    sources = find_sources(unfinished, plan.config, backend)
    with ExitStack() as stack:
        session = None
        for source in sources:
            cells = plan.of_model(source.model)
            async with started(source, plan.config, cells, out) as engine:
                await _check(cells, engine, plan)
                about = describe_model(source.backend, source.prices)
                if session is None:
                    store = stack.enter_context(
                        directory.open(plan.config, describe_run(plan.config, about), resume=resume)
                    )
                    session = _begin(plan, directory, store, stack, source.is_recording, progress)
                directory.add_model(source.model.title, about)
                with plain_errors():
                    await session.run(engine, cells)
        assert session is not None
        result = load_result(out)
        write_derived_files(directory, session.store, result)
    return result


def _unfinished(directory: RunDirectory, plan: Plan) -> Sequence[ModelConfig]:
    """Return the models that have something left to do.

    Raises:
        ConfigError: the run began with other problems.
    """
    models = plan.config.models
    if not directory.is_run:
        return models
    with ResultStore(directory.store_path) as store:
        done = {key for key, (_, failed) in store.attempts().items() if not failed}
        cells = directory.cells(store)
    is_same = cells == _stored(plan)
    # What cannot go on is refused before the directory changes.
    renumbering(cells, _stored(plan), _begins(plan), where=str(directory.path))
    if (directory.path / FILE_NAME).is_file():
        with TrialStore(directory.path) as trials:
            if not (is_same and is_complete(trials, plan)):
                return models
    return [model for model in models if any(not done.issuperset(cell.keys) for cell in plan.of_model(model))]


def _renumber(directory: RunDirectory, plan: Plan) -> None:
    """Put a finished run's rows into the plan's order, if that is another one."""
    with ResultStore(directory.store_path) as store:
        if directory.cells(store) == _stored(plan):
            return
    with directory.open(plan.config, {}, resume=True) as store:
        _set_cells(store, plan)


async def _check(cells: Sequence[Cell], engine: Engine, plan: Plan) -> None:
    """Find out whether a model can do its cells, and make everything ready for them.

    Raises:
        ConfigError: it cannot.
        BudgetTooSmall: a budget does not buy one sample of a benchmark's first problem.
    """
    for cell in cells:
        await engine.prepare(cell.strategy, problem=cell.problems[0], budget=cell.budget)
        engine.check(cell.strategy, budget=plan.config.total_budget)
    await _try_graders(cells, engine)
    if isinstance(engine.backend, Recorder):
        for cell in {cell.benchmark_title: cell for cell in cells}.values():
            for problem in cell.problems:
                engine.backend.add_problem(problem, benchmark=cell.benchmark_title)


def _begin(
    plan: Plan,
    directory: RunDirectory,
    store: ResultStore,
    stack: ExitStack,
    is_replay: bool,
    progress: ProgressListener | None,
) -> Session:
    """Write down what the run is to have, and return its session."""
    planned = _stored(plan)
    trials = stack.enter_context(TrialStore(directory.path, writable=True)) if is_replay else None
    if trials is not None and store.cells() != planned:
        trials.clear()  # before the cells get other numbers: drawn orders are replayed again for nothing
    _set_cells(store, plan)
    return Session(plan, store, trials=trials, listener=progress)


def _set_cells(store: ResultStore, plan: Plan) -> None:
    store.set_cells(_stored(plan), begins=_begins(plan))


def _begins(plan: Plan) -> Begins:
    keys = {cell.number: cell.keys for cell in plan.cells}
    return lambda cell, count: fingerprint(list(keys[cell.number][:count]))


async def _try_graders(cells: Sequence[Cell], engine: Engine) -> None:
    """Grade a reference answer of each benchmark in every worker.

    A grader that is not set up is found out, and the first row's seconds are not those of workers that start.
    """
    firsts = {id(cell.benchmark): cell for cell in cells}
    for cell in firsts.values():
        problem = cell.problems[0]
        try:
            with plain_errors():
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
            model=cell.model.title,
            budget=budget_text(cell.budget),
        )
        for cell in plan.cells
    ]
