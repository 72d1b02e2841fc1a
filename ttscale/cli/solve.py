"""``ttscale solve``: one question, one model, one strategy, one answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ttscale.cli.console import echo, echo_json, note, one_line, quiet_stdout, sanitise
from ttscale.cli.options import MODEL_HELP, AsJson, Prices, Record, Reuse

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ttscale.backends import Backend
    from ttscale.budget import Budget
    from ttscale.strategy import Strategy
    from ttscale.types import JSON, Outcome


def solve(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="The question, in plain words.")],
    model: Annotated[
        str,
        typer.Option("--model", "-m", metavar="URI", help=MODEL_HELP),
    ] = "abacus",
    strategy: Annotated[
        str, typer.Option("--strategy", "-s", metavar="NAME", help="See `ttscale list strategies`.")
    ] = "self_consistency",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A strategy's parameter; verifier.KEY goes deeper."),
    ] = None,
    budget: Annotated[
        str,
        typer.Option("--budget", metavar="QUANTITY=N,…", help="tokens=N,seconds=S,usd=D …"),
    ] = "",
    prices: Prices = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same samples.")] = 0,
    record: Record = None,
    reuse: Reuse = False,
    as_json: AsJson = False,
) -> None:
    """Answer one question."""
    from ttscale.budget import Budget
    from ttscale.cli.settings import strategy_spec
    from ttscale.errors import ConfigError
    from ttscale.registry import create_strategy, describe

    if not question.strip():
        raise ConfigError("the question is empty; write it in quotes after `ttscale solve`.")
    if reuse and record is None:
        raise ConfigError("--reuse takes samples from a bank; name it with --record POOL.")
    limits = Budget.parse(budget)
    with quiet_stdout():
        built = create_strategy(strategy_spec(strategy, settings or []))
        _refuse_oracles(built)
        outcome = _run(
            model, record, reuse, lambda on: _answer(question, model, on, built, limits, prices, seed)
        )
    if as_json:
        spec = describe(built)
        named: JSON = {"name": spec.name, "params": spec.params}
        asked: dict[str, JSON] = {"question": question, "model": model, "strategy": named, "seed": seed}
        echo_json({**asked, **outcome.to_json()})
    else:
        echo(render_outcome(outcome))
    if outcome.stop_reason == "error":
        note(f"error: {one_line(outcome.error or 'the strategy failed without saying why')}")
        raise typer.Exit(1)


def _refuse_oracles(strategy: Strategy) -> None:
    """Raise ConfigError for a verifier anywhere in a strategy that reads what a mere question does not have."""
    from ttscale.errors import ConfigError
    from ttscale.strategy import parts
    from ttscale.verifier import Verifier

    for part in parts(strategy):
        if isinstance(part, Verifier) and part.needs_target:
            raise ConfigError(
                f"{type(part).__name__} grades by the reference answer, which a question asked here lacks; "
                f"choose another verifier, --set verifier=confidence say."
            )


def _run(
    model: str, record: Path | None, reuse: bool, main: Callable[[Backend], Coroutine[Any, Any, Outcome]]
) -> Outcome:
    """Run on a model's backend: recorded samples in virtual time, others in real time, recorded if wanted."""
    import asyncio

    from ttscale.backends import load_backend
    from ttscale.backends.replay import ReplayBackend
    from ttscale.bank import Recorder, bank_to_fill, run_replay

    backend = load_backend(model)
    start = run_replay if isinstance(backend, ReplayBackend) else asyncio.run
    if record is None:
        return start(main(backend))
    with bank_to_fill(record) as bank:
        return start(main(Recorder(backend, bank, reuse=reuse)))


async def _answer(
    question: str,
    model: str,
    backend: Backend,
    strategy: Strategy,
    budget: Budget,
    prices: Path | None,
    seed: int,
) -> Outcome:
    from ttscale.backends.replay import ReplayBackend
    from ttscale.bank import Recorder
    from ttscale.budget.prices import PriceFile, prices_for
    from ttscale.engine import Engine
    from ttscale.types import Problem

    problem = Problem.ask(question)
    is_recording, name = isinstance(backend, ReplayBackend), backend.profile.name
    table = prices_for(prices, uri=model, name=name, limits=(budget,), is_recording=is_recording)
    async with Engine(backend, prices=table) as engine:
        if prices is not None and is_recording:
            PriceFile.read(prices).price(backend.profile.name)
        await engine.prepare(strategy, problem=problem, budget=budget)
        if isinstance(backend, Recorder):
            backend.add_problem(problem)
        return await engine.solve(problem, strategy=strategy, budget=budget, seed=seed)


def render_outcome(outcome: Outcome) -> str:
    """Return an outcome for the terminal: the answer, and below it what it cost."""
    usage = outcome.usage
    confidence = "unknown" if outcome.confidence is None else f"{outcome.confidence:.2f}"
    spent = {
        "prompt": usage.prompt_computed,
        "generated": usage.generated,
        "cancelled": usage.cancelled,
        "verifier": usage.verifier,
    }
    reused = f"; {usage.reused:,} tokens from the bank" if usage.reused else ""
    buckets = ", ".join(f"{count:,} {name}" for name, count in spent.items() if count)
    calls = f"{usage.calls} sample" + ("" if usage.calls == 1 else "s")
    lines = [
        f"answer      {_answer_text(outcome)}",
        f"confidence  {confidence}",
        f"tokens      {usage.tokens:,}" + (f"  ({buckets}; {calls}{reused})" if buckets else ""),
        *([f"dollars     {usage.usd:.6f}"] if usage.usd else []),
        f"seconds     {outcome.seconds:.2f}",
        f"stopped     {_STOPPED[outcome.stop_reason]}",
    ]
    return "\n".join(lines)


_STOPPED = {
    "finished": "finished",
    "decided": "early, the answer was decided",
    "budget": "budget spent",
    "error": "an error",
}


def _answer_text(outcome: Outcome) -> str:
    if outcome.answer is None:
        return "none"
    return sanitise(outcome.answer).strip().replace("\n", "\n            ")
