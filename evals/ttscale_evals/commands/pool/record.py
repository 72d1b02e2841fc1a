"""``ttscale pool record``: samples of problems are drawn into a bank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttscale.cli.console import echo, echo_json, note, one_line, quiet_stdout
from ttscale.cli.options import MODEL_HELP, AsJson
from ttscale.errors import ConfigError
from ttscale_evals.commands.pool.options import Bank

if TYPE_CHECKING:
    from ttscale.types import JSON, Problem, Sampling
    from ttscale_evals.commands.pool.recording import Failure, Listener, Order, Tally
    from ttscale_evals.progress import ProgressListener


def record(
    pool: Bank,
    model: Annotated[str, typer.Option("--model", "-m", metavar="URI", help=MODEL_HELP)] = "abacus",
    benchmarks: Annotated[
        list[str] | None,
        typer.Option("--benchmark", "-b", metavar="NAME[:key=value,…]", help="Repeat for several."),
    ] = None,
    questions: Annotated[
        list[str] | None, typer.Option("--question", metavar="TEXT", help="Repeat for several.")
    ] = None,
    num_samples: Annotated[int, typer.Option("--n", "-n", metavar="N", help="Samples of each problem.")] = 16,
    limit: Annotated[int | None, typer.Option("--limit", help="At most so many problems a benchmark.")] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="Default: the model's own.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", help="Of a sample; default: what the context leaves.")
    ] = None,
    logprobs: Annotated[
        int | None,
        typer.Option("--logprobs", metavar="K", help="Keep those of each token and the K likeliest."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Another one adds further samples.")] = 0,
    concurrency: Annotated[
        int, typer.Option("--concurrency", "--max-connections", help="Problems at work at once.")
    ] = 64,
    as_json: AsJson = False,
) -> None:
    """Draw samples into a bank; those it holds already are not drawn again."""
    from ttscale_evals.commands.pool.recording import Order

    _check_least("--n", num_samples, 1)
    _check_least("--concurrency", concurrency, 1)
    sampling = _sampling(temperature, max_tokens, logprobs)
    with quiet_stdout():
        order = Order(
            problems=_problems(benchmarks or [], questions or [], limit),
            num_samples=num_samples,
            sampling=sampling,
            seed=seed,
            concurrency=concurrency,
        )
        tally, num_held = _record(pool, model, order)
    if tally.num_wanted < num_samples * len(order.problems):
        note("note: at temperature 0 all samples of a problem are the same; one of each is enough.")
    if as_json:
        asked: dict[str, JSON] = {"pool": str(pool), "model": model, "n": num_samples, "seed": seed}
        drawn: JSON = {"temperature": temperature, "max_tokens": max_tokens, "logprobs": logprobs}
        counted: dict[str, JSON] = {**tally.to_json(), "num_samples": num_held}
        echo_json({**asked, "sampling": drawn, "num_problems": len(order.problems), **counted})
    else:
        echo(_describe(tally, pool, num_held))
    _list_failures(tally.failures)
    if tally.failures:
        raise typer.Exit(1)


def _check_least(option: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigError(f"{option} must be >= {least}, got {value!r}.")


def _sampling(temperature: float | None, max_tokens: int | None, logprobs: int | None) -> Sampling:
    """Return how samples are drawn.

    Raises:
        ConfigError: a number is out of its range.
    """
    from ttscale.types import Sampling

    try:
        return Sampling(temperature=temperature, max_tokens=max_tokens, logprobs=logprobs)
    except ValueError as error:
        raise ConfigError(f"{error}.") from error


def _problems(
    benchmarks: Sequence[str], questions: Sequence[str], limit: int | None
) -> list[tuple[str, Problem]]:
    """Return all problems, each with its benchmark.

    Raises:
        ConfigError: there is none, a question is empty, or a benchmark is wrong.
    """
    from ttscale.bank.sample import digest
    from ttscale.types import Problem

    if not benchmarks and not questions:
        raise ConfigError(
            "there is nothing to record; name a benchmark, as in --benchmark countdown, or ask a --question."
        )
    if not all(question.strip() for question in questions):
        raise ConfigError("a question is empty; write it in quotes after --question.")
    asked = [
        ("", Problem.ask(question, id=f"question-{digest(question)[:8]}"))
        for question in dict.fromkeys(questions)
    ]
    return [*(_benchmark_problems(benchmarks, limit) if benchmarks else []), *asked]


def _benchmark_problems(benchmarks: Sequence[str], limit: int | None) -> list[tuple[str, Problem]]:
    from ttscale_evals.config import EvalConfig
    from ttscale_evals.plan import make_plan

    given = {"benchmarks": list(benchmarks), "limit": limit}
    plan = make_plan(EvalConfig.load(None, {name: value for name, value in given.items() if value is not None}))
    return [(cell.benchmark_title, problem) for cell in plan.cells for problem in cell.problems]


def _record(pool: Path, model: str, order: Order) -> tuple[Tally, int]:
    """Draw, with progress; return what was done and how many samples there are now."""
    import asyncio

    from ttscale.backends import load_backend
    from ttscale.bank import bank_to_fill
    from ttscale_evals.commands.pool.recording import record_samples
    from ttscale_evals.commands.progress import progress_display

    backend = load_backend(model)
    with bank_to_fill(pool) as bank, progress_display("auto") as show:
        listener = None if show is None else _listener(show, order)
        try:
            tally = asyncio.run(record_samples(backend, bank, order, listener=listener))
        except KeyboardInterrupt:
            if held := bank.num_samples():
                where = one_line(str(pool))
                note(f"interrupted; {where} holds {held:,} samples. The same command draws what is missing.")
            raise
        return tally, bank.num_samples()


def _listener(show: ProgressListener, order: Order) -> Listener:
    """Return who tells a display of evaluations how far a recording is."""
    from ttscale_evals.progress import Progress

    benchmarks = [benchmark or "questions" for benchmark, _ in order.problems]

    def listen(tally: Tally, seconds: float) -> None:
        num_now, left = tally.num_done - tally.num_there, tally.num_wanted - tally.num_done
        tokens = tally.generated_tokens
        show(
            Progress(
                benchmark=", ".join(dict.fromkeys(benchmarks)),
                strategy=f"{order.num_samples:,} samples each",
                cell_done=tally.num_done,
                cell_total=tally.num_wanted,
                done=tally.num_done,
                total=tally.num_wanted,
                correct=0,
                errors=len(tally.failures),
                tokens=tokens,
                usd=None,
                seconds=seconds,
                tokens_per_second=tokens / seconds if tokens and seconds else None,
                seconds_left=seconds * left / num_now if num_now else None,
            )
        )

    return listen


def _describe(tally: Tally, pool: Path, num_held: int) -> str:
    """Return what was done, on one line."""
    parts = [f"{tally.num_drawn:,} samples drawn ({tally.generated_tokens:,} tokens)"]
    if tally.num_there:
        parts.append(f"{tally.num_there:,} were there")
    if tally.failures:
        parts.append(f"{len(tally.failures):,} failed")
    return f"{', '.join(parts)}; {one_line(str(pool))} holds {num_held:,}."


def _list_failures(failures: Sequence[Failure]) -> None:
    """Name on standard error what failed, a line for each problem and reason."""
    grouped = dict[tuple[str, str, str], list[int]]()
    for failure in failures:
        numbers = grouped.setdefault((failure.benchmark, failure.problem, failure.error), [])
        numbers.extend([] if failure.sample is None else [failure.sample])
    for (benchmark, problem, error), numbers in grouped.items():
        which = f", {'sample' if len(numbers) == 1 else 'samples'} {', '.join(map(str, sorted(numbers)))}"
        where = one_line(f"{benchmark} {problem}".strip()) + (which if numbers else "")
        note(f"failed: {where}: {one_line(error, max_chars=300)}")
