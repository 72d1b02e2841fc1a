"""What commands leave behind: reports in a run's directory, files asked for, failures on standard error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ttscale.cli.console import note, one_line
from ttscale.errors import ConfigError

if TYPE_CHECKING:
    from ttscale_evals.report import ReportData
    from ttscale_evals.result import Failure


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


def name_failures(failures: Sequence[Failure]) -> None:
    """Name on standard error what was not brought to an end."""
    for failure in failures:
        where = one_line(f"{failure.benchmark} {failure.problem} ({failure.strategy})")
        note(f"failed: {where}: {one_line(failure.error, max_chars=300)}")
