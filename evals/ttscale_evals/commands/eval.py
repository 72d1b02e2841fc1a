"""``ttscale eval``: strategies on benchmarks, a leaderboard, and a directory that can be run again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ttscale.cli.console import echo, echo_json, note, quiet_stdout, screen
from ttscale.cli.options import MODEL_HELP, AsJson, Prices, Record, Reuse
from ttscale.errors import ConfigError
from ttscale_evals.commands.outcomes import name_failures, write_reports
from ttscale_evals.commands.replays import DEFAULT_ORDERS, Asked, compare

if TYPE_CHECKING:
    from ttscale_evals.config import EvalConfig
    from ttscale_evals.report import ReportData
    from ttscale_evals.result import EvalResult

_DISPLAYS: Final = ("auto", "bar", "plain", "none")
_PLUGIN: Final = "NAME[:key=value,…]"
_REPLAY_HELP: Final = "Recorded samples of a bank or file: those of CONFIG's models, or all there are."
_BUDGET_HELP: Final = "Of a problem: tokens=N,seconds=S …; none. Repeat for several."
_ORDERS_HELP: Final = f"Replay in so many drawn orders as well; default {DEFAULT_ORDERS}, 0 for none."


def evaluate(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="CONFIG.yaml", show_default=False, help="Options win over it."),
    ] = None,
    benchmarks: Annotated[
        list[str] | None, typer.Option("--benchmark", "-b", metavar=_PLUGIN, help="Repeat for several.")
    ] = None,
    strategies: Annotated[
        list[str] | None, typer.Option("--strategy", "-s", metavar=_PLUGIN, help="Repeat for several.")
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="URI", help=f"{MODEL_HELP} Repeat for several."),
    ] = None,
    replay: Annotated[
        Path | None, typer.Option("--replay", metavar="POOL", help=_REPLAY_HELP, show_default=False)
    ] = None,
    recorded: Annotated[
        list[str] | None,
        typer.Option("--recorded", metavar="NAME", help="A model of POOL; repeat for several; default all."),
    ] = None,
    orders: Annotated[
        int | None,
        typer.Option("--orders", metavar="B", help=_ORDERS_HELP, show_default=False),
    ] = None,
    record: Record = None,
    reuse: Reuse = False,
    limit: Annotated[int | None, typer.Option("--limit", help="At most so many problems a benchmark.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of the sampling; default 0.")] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", "--max-connections", help="Problems at work at once.")
    ] = None,
    turns: Annotated[
        bool, typer.Option("--turns", help="Row by row, so that seconds are each row's own.")
    ] = False,
    budgets: Annotated[
        list[str] | None,
        typer.Option("--budget", metavar="QUANTITY=N,…", help=_BUDGET_HELP),
    ] = None,
    prices: Prices = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "--log-dir", metavar="DIR", help="Default: runs/<time>."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, or beside CONFIG.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be run and what it takes at most; start nothing.")
    ] = False,
    display: Annotated[
        str, typer.Option("--display", metavar="|".join(_DISPLAYS), help="Of progress.")
    ] = "auto",
    as_json: AsJson = False,
) -> None:
    """Evaluate strategies on benchmarks and print the leaderboard."""
    if display not in _DISPLAYS:
        raise ConfigError(f"--display {display!r} is unknown; choose one of {', '.join(_DISPLAYS)}.")
    given: dict[str, object] = {
        "limit": limit,
        "seed": seed,
        "concurrency": concurrency,
        "turns": turns or None,
        **_one_or_several("budget", budgets),
        "prices": None if prices is None else str(prices),
    }
    settings = {name: value for name, value in given.items() if value is not None}
    if replay is not None and config is None:
        if dry_run:
            raise ConfigError("--dry-run estimates what models take, and a replay takes none; leave it out.")
        _check_alone(models, record, reuse, budgets)
        drawn = DEFAULT_ORDERS if orders is None else orders
        asked = Asked(replay, recorded or (), benchmarks or (), strategies or (), drawn, settings)
        compare(asked, out or _new_directory(), resume=resume, display=display, as_json=as_json)
        return
    if recorded:
        raise ConfigError(
            "--recorded chooses among the models of a pool; name that with --replay POOL and no config file."
        )
    given = {
        **_one_or_several("model", models),
        "benchmarks": benchmarks or None,
        "strategies": strategies or None,
        "replay": None if replay is None else str(replay),
        "orders": orders,
        "record": None if record is None else str(record),
        "reuse": reuse or None,
        "out": None if out is None else str(out),
    }
    overrides = settings | {name: value for name, value in given.items() if value is not None}
    with quiet_stdout():
        loaded = _load_config(config, overrides, resume=resume)
        directory = _directory(config, loaded, resume=resume)
    if dry_run:
        _estimate(loaded, directory, as_json=as_json)
        return
    with quiet_stdout():
        result = _run(loaded, directory, resume=resume, display=display)
        report = _write_reports(result)
    _print(result, report, as_json=as_json)
    if _list_failures(result):
        raise typer.Exit(1)


def _one_or_several(name: str, given: Sequence[str] | None) -> dict[str, object]:
    """Return what was given as the config says it: under another key where there are several."""
    if not given:
        return {}
    return {name: given[0]} if len(given) == 1 else {f"{name}s": list(given)}


def _check_alone(
    models: Sequence[str] | None, record: Path | None, reuse: bool, budgets: Sequence[str] | None
) -> None:
    """Refuse what --replay says itself where there is no config file.

    Raises:
        ConfigError: it was given as well.
    """
    given = {"--model": models, "--record": record, "--reuse": reuse or None}
    for other in (name for name, value in given.items() if value is not None):
        raise ConfigError(
            f"--replay POOL makes its own configuration, so it cannot be joined with {other}; leave one out."
        )
    if budgets and len(budgets) > 1:
        raise ConfigError("--replay POOL takes one --budget; write a config file for several.")


def _load_config(path: Path | None, overrides: dict[str, object], *, resume: bool) -> EvalConfig:
    """Read the config; a run that is resumed without one brings its own."""
    from ttscale_evals.config import EvalConfig

    out = overrides.get("out")
    if path is None and resume and isinstance(out, str) and (Path(out) / "config.yaml").is_file():
        path = Path(out) / "config.yaml"
    if path is None and "benchmarks" not in overrides:
        raise ConfigError(
            "there is nothing to evaluate; give a config file, or a benchmark such as --benchmark countdown."
        )
    return EvalConfig.load(path, overrides)


def _directory(path: Path | None, config: EvalConfig, *, resume: bool) -> Path:
    """Return the run's directory: the one named, that of a run's own config on resuming, else a new one."""
    from ttscale_evals.store import RunDirectory

    if config.out is not None:
        return Path(config.out)
    if not resume:
        return _new_directory()
    own = None if path is None else RunDirectory(path.parent)
    if own is None or path != own.config_path or not own.store_path.is_file():
        raise ConfigError("--resume does not know which run; name its directory with --out DIR.")
    return own.path


def _new_directory() -> Path:
    """Return a directory under ``runs`` named after the time, with a number where that is taken."""
    first = Path("runs") / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    directory, number = first, 2
    while directory.exists():
        directory, number = first.with_name(f"{first.name}_{number}"), number + 1
    return directory


def _run(config: EvalConfig, directory: Path, *, resume: bool, display: str) -> EvalResult:
    from ttscale_evals.commands.progress import progress_display
    from ttscale_evals.report import resume_command
    from ttscale_evals.runner import evaluate as run

    try:
        with progress_display(display) as listener:
            return run(config, out=directory, resume=resume, progress=listener)
    except KeyboardInterrupt:
        if (directory / "config.yaml").is_file():
            note(f"interrupted; what is done is kept. Go on with: {resume_command(directory)}")
        raise


def _estimate(config: EvalConfig, directory: Path, *, as_json: bool) -> None:
    """Print what a run would take; nothing is started or written."""
    from ttscale_evals.outlook import estimate, render_estimate
    from ttscale_evals.plan import make_plan
    from ttscale_evals.store import RunDirectory

    with quiet_stdout():
        plan = make_plan(config)
        RunDirectory(directory).check(plan.config, resume=True)
        estimated = estimate(plan, out=directory)
    if as_json:
        echo_json(estimated.to_json())
    else:
        echo(render_estimate(estimated, **screen(elsewhere=140)))


def _write_reports(result: EvalResult) -> ReportData:
    """Write the reports into the run's directory."""
    from ttscale_evals.report import load_report

    data = load_report([result.run_dir])
    write_reports(data, result.run_dir)
    return data


def _print(result: EvalResult, report: ReportData, *, as_json: bool) -> None:
    from ttscale_evals.report import render_terminal, resume_command

    if as_json:
        echo_json(result.to_json())
    else:
        echo(render_terminal(report.rows, **screen()))
    last = f"Results and report.html are in {result.run_dir}; resume with: {resume_command(result.run_dir)}"
    (note if as_json else echo)(last)


def _list_failures(result: EvalResult) -> int:
    """Name on standard error what was not brought to an end or judged; return how many problems that are."""
    name_failures(result.failures)
    name_failures(result.not_judged, what="not judged")
    if result.num_missing:
        note(f"not begun: {result.num_missing} problems; the total budget was spent.")
    return len(result.failures) + len(result.not_judged) + result.num_missing
