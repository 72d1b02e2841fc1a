"""What every kind of evaluation leaves behind: reports in its directory, failures on standard error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ttscale.cli.console import note, one_line
from ttscale.errors import MissingExtra

if TYPE_CHECKING:
    from ttscale_evals.report import ReportData
    from ttscale_evals.rows import Failure


def write_reports(data: ReportData, directory: Path) -> None:
    """Write page, Markdown and CSV into a directory; a page that cannot be drawn is said, not fatal."""
    from ttscale_evals.report import render_csv, render_html, render_markdown
    from ttscale_evals.store import RunDirectory

    target, title = RunDirectory(directory), f"ttscale: {directory.name}"
    target.write("report.md", [render_markdown(data, title=title)])
    target.write("rows.csv", [render_csv(data.rows)])
    try:
        target.write("report.html", [render_html(data, title=title)])
    except MissingExtra as error:
        note(f"note: no report.html: {error}")


def name_failures(failures: Sequence[Failure]) -> None:
    """Name on standard error what was not brought to an end."""
    for failure in failures:
        where = one_line(f"{failure.benchmark} {failure.problem} ({failure.strategy})")
        note(f"failed: {where}: {one_line(failure.error, max_chars=300)}")
