"""``ttscale eval --replay POOL``: strategies compared on recorded samples."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from ttscale.cli.console import echo, echo_json, note, one_line, quiet_stdout, screen
from ttscale.errors import ConfigError
from ttscale_evals.commands.outcomes import name_failures, write_reports

if TYPE_CHECKING:
    from ttscale_evals.progress import ProgressListener
    from ttscale_evals.replay.comparison import Compared
    from ttscale_evals.replay.expand import Expansion


DEFAULT_ORDERS: Final = 5
"""Few: intervals come from problems, to which the order of their samples adds little."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says of a comparison."""

    pool: Path
    recorded: Sequence[str]
    benchmarks: Sequence[str]
    strategies: Sequence[str]
    orders: int
    settings: Mapping[str, object]

    @property
    def words(self) -> list[str]:
        """The words that say it, without its directory."""
        repeated = {"recorded": self.recorded, "benchmark": self.benchmarks, "strategy": self.strategies}
        words = ["ttscale", "eval", "--replay", str(self.pool)]
        for name, values in repeated.items():
            words += [word for value in values for word in (f"--{name}", value)]
        single = {"orders": self.orders, **self.settings}
        return words + [word for name, value in single.items() for word in (f"--{name}", str(value))]


def compare(asked: Asked, out: Path, *, resume: bool, display: str, as_json: bool) -> None:
    """Compare strategies on recorded samples, print the tables or the document, and write the reports.

    Raises:
        ConfigError: something is wrong with pool, names, parameters or directory; nothing was run.
        typer.Exit: with status 1, where a strategy was refused, or a problem failed or was not judged.
    """
    with quiet_stdout():
        compared = _compare(asked, out, resume=resume, display=display)
    _print(compared, as_json=as_json)
    again = shlex.join([*asked.words, "--out", str(out), "--resume"])
    (note if as_json else echo)(f"Results and report.html are in {out}; resume with: {again}")
    name_failures(compared.failures)
    name_failures(compared.not_judged, what="not judged")
    if compared.failures or compared.not_judged:
        raise typer.Exit(1)


def _compare(asked: Asked, out: Path, *, resume: bool, display: str) -> Compared:
    from ttscale_evals.commands.progress import progress_display
    from ttscale_evals.replay.comparison import plan_comparison, run_comparison
    from ttscale_evals.replay.expand import Comparison
    from ttscale_evals.report import load_report

    if asked.orders < 0:
        raise ConfigError(f"--orders must be >= 0, got {asked.orders!r}.")
    comparison = Comparison(
        pool=asked.pool,
        recorded=asked.recorded,
        benchmarks=asked.benchmarks,
        strategies=asked.strategies,
        orders=asked.orders,
        settings=asked.settings,
    )
    expanded = plan_comparison(comparison, out, resume=resume)

    @contextmanager
    def on_run(expansion: Expansion, number: int, total: int) -> Generator[ProgressListener | None]:
        if total > 1 and display != "none":
            note(f"{one_line(expansion.name)} ({number} of {total})")
        with progress_display(display) as listener:
            yield listener

    try:
        compared = run_comparison(comparison, expanded, out, on_run=on_run, resume=resume)
    except KeyboardInterrupt:
        again = shlex.join([*asked.words, "--out", str(out), "--resume"])
        note(f"interrupted; what is done is kept. Go on with: {again}")
        raise
    run_dirs = [result.run_dir for result in compared.results]
    for run_dir in run_dirs:
        write_reports(load_report([run_dir]), run_dir)
    if len(run_dirs) > 1:
        write_reports(load_report(run_dirs), out)
    return compared


def _print(compared: Compared, *, as_json: bool) -> None:
    from ttscale_evals.replay.table import render_comparison

    if as_json:
        echo_json(compared.to_json())
    else:
        num_orders = compared.comparison.orders
        echo(render_comparison(compared.rows, num_orders=num_orders, **screen(elsewhere=140)))
    for left_out in compared.left_out:
        note(one_line(f"left out: {left_out.what} ({left_out.model}): {left_out.why}"))
    for line in compared.notes:
        note(one_line(f"note: {line}"))
