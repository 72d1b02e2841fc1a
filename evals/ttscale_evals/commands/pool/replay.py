"""``ttscale pool replay``: a strategy answers recorded problems, in virtual time and without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer

from ttscale.cli.console import echo, echo_json, note, one_line, quiet_stdout
from ttscale.cli.options import AsJson
from ttscale.errors import ConfigError
from ttscale_evals.commands.pool.options import Pool

if TYPE_CHECKING:
    from pathlib import Path

    from ttscale.budget import Budget
    from ttscale.strategy import Strategy
    from ttscale.types import JSON
    from ttscale_evals.commands.pool.replaying import Choice, Replay


def replay(
    pool: Pool,
    strategy: Annotated[
        str,
        typer.Option("--strategy", "-s", metavar="NAME[:key=value,…]", help="See `ttscale list strategies`."),
    ],
    question: Annotated[
        str | None, typer.Option("--question", metavar="TEXT", help="Only the problem that asks this.")
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option("--benchmark", "-b", metavar="NAME", help="Only problems of this one.")
    ] = None,
    ids: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="Only this problem; repeat for several.")
    ] = None,
    recorded: Annotated[
        str | None, typer.Option("--recorded", metavar="MODEL", help="Whose samples, if several models'.")
    ] = None,
    budget: Annotated[
        str, typer.Option("--budget", metavar="QUANTITY=N,…", help="Of a problem: tokens=N,seconds=S …")
    ] = "",
    orders: Annotated[
        int | None,
        typer.Option("--orders", metavar="K", help="Deal the samples in K random orders, not as recorded."),
    ] = None,
    pace: Annotated[
        float,
        typer.Option("--tokens-per-second", metavar="R", help="Of samples whose duration is not known."),
    ] = 50.0,
    as_json: AsJson = False,
) -> None:
    """Answer recorded problems with a strategy, in no time: a quick look at what it would cost."""
    from ttscale.budget import Budget
    from ttscale.registry import create_strategy, describe
    from ttscale_evals.commands.pool.replaying import Choice

    if orders is not None and orders < 1:
        raise ConfigError(f"--orders must be >= 1, got {orders!r}.")
    if question is not None and (benchmark is not None or ids):
        raise ConfigError("--question names one problem; leave --benchmark and --id out.")
    if not 0 < pace < float("inf"):
        raise ConfigError(f"--tokens-per-second must be > 0, got {pace!r}.")
    limits = Budget.parse(budget)
    with quiet_stdout():
        built = create_strategy(strategy)
        choice = Choice(recorded=recorded, question=question, benchmark=benchmark, ids=ids or ())
        name, replays = _replay(pool, built, choice, limits, orders, pace)
    if as_json:
        spec = describe(built)
        named: JSON = {"name": spec.name, "params": spec.params}
        asked: dict[str, JSON] = {"pool": str(pool), "recorded": name, "strategy": named}
        rows = [one.to_json() for one in replays]
        echo_json({**asked, "budget": budget, "orders": orders, "rows": rows, "totals": totals(replays)})
    else:
        echo(render_replays(replays))
    if _list_failures(replays):
        raise typer.Exit(1)


def _replay(
    pool: Path, strategy: Strategy, choice: Choice, budget: Budget, num_orders: int | None, pace: float
) -> tuple[str, list[Replay]]:
    """Return whose samples were replayed, and how it went."""
    from ttscale.backends.replay import ReplayBackend
    from ttscale.bank import open_pool, own_grades, run_replay
    from ttscale_evals.commands.pool.replaying import replay_problems

    with open_pool(pool) as bank:
        model, problems = choice.of(bank)
        grades = own_grades(bank, model.fingerprint)
        if not bank.has_seconds(model.fingerprint):
            note(f"note: not every sample's duration was recorded; those take {pace:g} tokens per second.")
    backend = ReplayBackend(str(pool), recorded=model.fingerprint, tokens_per_second=pace)
    replays = run_replay(
        replay_problems(backend, strategy, problems, budget=budget, num_orders=num_orders, grades=grades)
    )
    return model.profile.name, replays


def totals(replays: Sequence[Replay]) -> dict[str, JSON]:
    """Return what all replays cost together; means are per problem and order."""
    outcomes = [replay.outcome for replay in replays]
    return {
        "num_problems": sum(replay.order == replays[0].order for replay in replays),
        "num_replays": len(replays),
        "num_answered": sum(outcome.answer is not None for outcome in outcomes),
        "num_failed": sum(replay.error is not None for replay in replays),
        "mean_samples": fmean(outcome.usage.calls for outcome in outcomes),
        "mean_tokens": fmean(outcome.usage.tokens for outcome in outcomes),
        "mean_seconds": fmean(outcome.seconds for outcome in outcomes),
        "tokens": sum(outcome.usage.tokens for outcome in outcomes),
        "stop_reasons": dict(Counter(outcome.stop_reason for outcome in outcomes)),
    }


def render_replays(replays: Sequence[Replay], *, width: int | None = None) -> str:
    """Return the replays for the terminal: a row a problem and order, and the totals below."""
    from ttscale_evals.commands.pool.tables import render_table
    from ttscale_evals.report.formats import UNKNOWN, count, percent, seconds

    has_orders = replays[0].order is not None
    has_grades = any(replay.own_grade is not None for replay in replays)
    rows = [
        [
            one_line(f"{replay.benchmark} {replay.problem.id}".strip(), max_chars=48),
            *([f"{replay.order}"] if has_orders else []),
            one_line(replay.outcome.answer or "none", max_chars=32),
            UNKNOWN if replay.problem.target is None else one_line(replay.problem.target, max_chars=32),
            *([percent(replay.own_grade)] if has_grades else []),
            count(replay.outcome.usage.calls),
            count(replay.outcome.usage.tokens),
            seconds(replay.outcome.seconds),
            _ended(replay),
        ]
        for replay in replays
    ]
    numbers = ("order", "own grade", "samples", "tokens", "seconds")
    shown = {"order": has_orders, "own grade": has_grades}
    titles = [
        title
        for title in ("problem", "order", "answer", "target", *numbers[1:], "stopped")
        if shown.get(title, True)
    ]
    return f"{render_table(titles, rows, numbers=numbers, width=width)}\n\n{_describe(replays)}"


def _ended(replay: Replay) -> str:
    return "failed" if replay.error is not None else replay.outcome.stop_reason


def _describe(replays: Sequence[Replay]) -> str:
    """Return the totals on one line."""
    from ttscale_evals.report.formats import count, magnitude, seconds

    outcomes = [replay.outcome for replay in replays]
    means = [
        f"{count(fmean(outcome.usage.calls for outcome in outcomes))} samples",
        f"{count(fmean(outcome.usage.tokens for outcome in outcomes))} tokens",
        f"{seconds(fmean(outcome.seconds for outcome in outcomes))} s",
    ]
    parts = [
        f"{len(replays):,} {'replay' if len(replays) == 1 else 'replays'}",
        f"{magnitude(sum(outcome.usage.tokens for outcome in outcomes))} tokens",
        f"{', '.join(means)} each",
        *(f"{number:,} {reason}" for reason, number in Counter(map(_ended, replays)).most_common()),
    ]
    return " · ".join(parts)


def _list_failures(replays: Sequence[Replay]) -> int:
    """Name on standard error what failed, and return how many replays that are."""
    failed = [replay for replay in replays if replay.error is not None]
    for replay in failed:
        order = "" if replay.order is None else f", order {replay.order}"
        where = one_line(f"{replay.benchmark} {replay.problem.id}".strip(), max_chars=80) + order
        note(f"failed: {where}: {one_line(replay.error or '', max_chars=300)}")
    return len(failed)
