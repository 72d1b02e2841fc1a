"""What commands leave behind: reports in a run's directory, files asked for, failures on standard error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttscale.cli.console import note, one_line
from ttscale.errors import ConfigError

if TYPE_CHECKING:
    from ttscale.budget.prices import PriceFile
    from ttscale_evals.report import ReportData
    from ttscale_evals.result import Failure


Prices = Annotated[
    Path | None,
    typer.Option("--prices", metavar="FILE", help="Price finished runs by this file, not by their own."),
]


def read_prices(path: Path | None) -> PriceFile | None:
    """Return a price file if one was named.

    Raises:
        ConfigError: it is missing or not of the right form.
    """
    from ttscale.budget.prices import PriceFile

    return None if path is None else PriceFile.read(path)


def write_reports(data: ReportData, directory: Path) -> None:
    """Write page, Markdown and CSV into a directory."""
    from ttscale_evals.report import render_csv, render_html, render_markdown
    from ttscale_evals.store import RunDirectory

    target, title = RunDirectory(directory), f"ttscale: {directory.name}"
    target.write("report.md", [render_markdown(data, title=title)])
    target.write("rows.csv", [render_csv(data.rows)])
    target.write("report.html", [render_html(data, title=title)])


def write_file(path: Path | None, render: Callable[[], str]) -> None:
    """Write a file if one was asked for.

    Raises:
        ConfigError: it cannot be written.
    """
    if path is None:
        return
    text = render()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{str(path)!r} cannot be written: {error.strerror}; choose another path.") from error
    note(f"wrote {path}")


def name_failures(failures: Sequence[Failure], *, what: str = "failed") -> None:
    """Name on standard error what was not brought to an end, or not judged.

    Args:
        failures: a line each.
        what: the word that lines begin with.
    """
    for failure in failures:
        where = one_line(f"{failure.benchmark} {failure.problem} ({_system(failure, failures)})")
        note(f"{what}: {where}: {one_line(failure.error, max_chars=300)}")


def _system(failure: Failure, failures: Sequence[Failure]) -> str:
    """Return the strategy of a failure, with model and budget where the failures have several of them."""
    parts = [failure.strategy]
    if len({other.model for other in failures}) > 1:
        parts.append(failure.model)
    if len({other.budget for other in failures}) > 1:
        parts.append(failure.budget or "no budget")
    return " · ".join(parts)
