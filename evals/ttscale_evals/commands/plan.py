"""``ttscale plan``: what strategies will take, before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttscale.cli.console import echo, echo_json, quiet_stdout, screen
from ttscale.cli.options import MODEL_HELP, AsJson, Prices
from ttscale.errors import ConfigError

if TYPE_CHECKING:
    from ttscale.planning import Hardware, Prediction, Workload
    from ttscale_evals.outlook.forecast import Forecast
    from ttscale_evals.outlook.planned_model import PlannedModel

_MODEL_HELP = f"{MODEL_HELP} Or a name in configs/models, or its file, for a model that is not here."


def plan(
    strategies: Annotated[
        list[str] | None,
        typer.Argument(metavar="STRATEGY…", help="As in `ttscale eval`, self_consistency:n=8 say."),
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m", metavar="URI|NAME", help=_MODEL_HELP)] = "abacus",
    budget: Annotated[
        list[str] | None,
        typer.Option("--budget", metavar="QUANTITY=N,…", help="Of each question; again for several."),
    ] = None,
    hardware: Annotated[
        str | None,
        typer.Option(
            "--hardware", metavar="NAME|FILE", help="A name in configs/hardware, h100 say, or a file."
        ),
    ] = None,
    devices: Annotated[int, typer.Option("--devices", help="So many of it, as one.", min=1)] = 1,
    usd_per_hour: Annotated[
        float | None, typer.Option("--usd-per-hour", help="What an hour of one device costs.", min=0)
    ] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", help="Questions at work at once.", min=1)] = 1,
    questions: Annotated[
        int | None, typer.Option("--questions", help="Also say what so many take in all.", min=1)
    ] = None,
    prompt_tokens: Annotated[int | None, typer.Option("--prompt-tokens", help="Of every question.")] = None,
    answer_tokens: Annotated[
        str | None,
        typer.Option("--answer-tokens", metavar="MEAN[:P95]", help="Of an answer, thinking included."),
    ] = None,
    accuracy: Annotated[
        float | None, typer.Option("--accuracy", help="Chance that one sample is right, 0 to 1.")
    ] = None,
    wrong_answers: Annotated[
        int | None, typer.Option("--wrong-answers", help="Wrong answers there are; default: all differ.")
    ] = None,
    steps: Annotated[int, typer.Option("--steps", help="Lines of an answer, for searches.")] = 1,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="BANK|DIR", help="Measure all of that on recorded samples, or on a run."
        ),
    ] = None,
    recorded: Annotated[
        str | None,
        typer.Option("--recorded", metavar="NAME", help="Whose samples, where --from has several models'."),
    ] = None,
    pilot: Annotated[
        int | None,
        typer.Option("--pilot", metavar="N", help="Measure it on N samples a problem of --benchmark.", min=1),
    ] = None,
    benchmark: Annotated[str | None, typer.Option("--benchmark", "-b", help="Of the pilot.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="Problems of the pilot.", min=1)] = 10,
    prefix_cache: Annotated[
        bool | None,
        typer.Option("--prefix-cache/--no-prefix-cache", help="Default: as the model's engine has one."),
    ] = None,
    epsilon: Annotated[
        float, typer.Option("--epsilon", help="Least gain in accuracy that a sample is worth.")
    ] = 0.01,
    prices: Prices = None,
    solves: Annotated[int, typer.Option("--rehearsals", help="Questions rehearsed, at least.", min=1)] = 48,
    seed: Annotated[int, typer.Option("--seed", help="Of all that is random.", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Predict tokens, FLOPs, memory, latency and cost of strategies on a model, before anything runs."""
    from ttscale_evals.outlook.forecast_table import render_forecast
    from ttscale_evals.outlook.planned_model import plan_model

    with quiet_stdout():
        if epsilon <= 0:
            raise ConfigError(f"--epsilon must be > 0, got {epsilon!r}; 0.01 is one point of accuracy.")
        known = plan_model(model, prefix_cache=prefix_cache)
        machine = _machine(hardware, devices, usd_per_hour)
        workload = _workload(
            known,
            described=(prompt_tokens, answer_tokens, accuracy, wrong_answers, steps),
            source=source,
            recorded=recorded,
            pilot=None if pilot is None else (pilot, benchmark, limit),
            seed=seed,
        )
        forecast = _forecast(
            strategies or ["single", "self_consistency"],
            budget or [""],
            known,
            workload,
            machine,
            concurrency=concurrency,
            questions=questions,
            epsilon=epsilon,
            prices=prices,
            solves=solves,
            seed=seed,
        )
    if as_json:
        echo_json(forecast.to_json())
    else:
        echo(render_forecast(forecast, **screen()))


def _machine(name: str | None, devices: int, usd_per_hour: float | None) -> Hardware | None:
    from dataclasses import replace

    from ttscale.planning import read_hardware

    if name is None:
        if usd_per_hour is not None or devices > 1:
            raise ConfigError(
                "--usd-per-hour and --devices are of a machine; name it with --hardware h100, say."
            )
        return None
    machine = read_hardware(name)
    if usd_per_hour is not None:
        machine = replace(machine, usd_per_hour=usd_per_hour)
    return machine.times(devices)


def _workload(
    known: PlannedModel,
    *,
    described: tuple[int | None, str | None, float | None, int | None, int],
    source: Path | None,
    recorded: str | None,
    pilot: tuple[int, str | None, int] | None,
    seed: int,
) -> Workload:
    """Return the workload that the options describe, in one of three ways."""
    import asyncio

    from ttscale.planning import bank_workload, described_workload
    from ttscale_evals.outlook.workloads import benchmark_workload, run_workload

    prompt_tokens, answer_tokens, accuracy, wrong_answers, steps = described
    has_numbers = any(value is not None for value in described[:4]) or steps != 1
    if sum((has_numbers, source is not None, pilot is not None)) != 1:
        raise ConfigError(
            "say what answers are like in one of three ways: --prompt-tokens 200 --answer-tokens 1500:4000 "
            "--accuracy 0.6, or --from a bank or a run's directory, or --pilot 8 --benchmark NAME."
        )
    if source is not None:
        if source.is_dir():
            return run_workload(source, model=recorded)
        return bank_workload(source, model=recorded)
    if pilot is not None:
        n, spec, limit = pilot
        if spec is None:
            raise ConfigError("--pilot draws samples of problems; name them with --benchmark chain_sum, say.")
        uri = known.needs_uri()
        return asyncio.run(benchmark_workload(uri, spec, num_problems=limit, n=n))
    if prompt_tokens is None or answer_tokens is None:
        raise ConfigError("--prompt-tokens and --answer-tokens are both needed; 200 and 1500:4000, say.")
    mean, p95 = _mean_and_p95(answer_tokens)
    return described_workload(
        prompt_tokens=prompt_tokens,
        answer_tokens=mean,
        answer_p95=p95,
        accuracy=accuracy,
        num_wrong_answers=wrong_answers,
        num_steps=steps,
        seed=seed,
    )


def _mean_and_p95(text: str) -> tuple[float, float | None]:
    mean, _, p95 = text.partition(":")
    try:
        return float(mean), float(p95) if p95 else None
    except ValueError:
        raise ConfigError(f"--answer-tokens {text!r} is not MEAN or MEAN:P95; write 1500:4000, say.") from None


def _forecast(
    strategies: list[str],
    budgets: list[str],
    known: PlannedModel,
    workload: Workload,
    machine: Hardware | None,
    *,
    concurrency: int,
    questions: int | None,
    epsilon: float,
    prices: Path | None,
    solves: int,
    seed: int,
) -> Forecast:
    """Rehearse every strategy within every budget."""
    from ttscale.budget import Budget
    from ttscale.budget.prices import prices_for
    from ttscale.planning import predict, rehearse, saturation_of
    from ttscale.registry import create_strategy
    from ttscale_evals.outlook.forecast import Forecast

    limits = [Budget.parse(text) for text in budgets]
    table = prices_for(prices, uri=known.title, name=known.profile.name, limits=tuple(limits))
    predictions: list[Prediction] = []
    for spec in strategies:
        strategy = create_strategy(spec)
        for text, limit in zip(budgets, limits, strict=True):
            cast = known.cast(machine, strategy, limit, concurrency=concurrency)
            expected = rehearse(
                strategy, workload, cast, budget=limit, prices=table, num_solves=solves, seed=seed
            )
            predictions.append(
                predict(spec, expected, known.profile, budget=text, hardware=machine, concurrency=concurrency)
            )
    return Forecast(
        profile=known.profile,
        workload=workload,
        predictions=predictions,
        hardware=machine,
        concurrency=concurrency,
        prefix_block=known.prefix_block,
        saturation=saturation_of(workload, epsilon=epsilon, seed=seed),
        epsilon=epsilon,
        num_questions=questions,
    )
