"""``ttscale report``: the leaderboard of finished or unfinished runs, drawn anew from their stores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttscale.cli.console import echo, echo_json, quiet_stdout, screen
from ttscale.cli.options import AsJson
from ttscale_evals.commands.outcomes import write_file


def report(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR…", help="Run directories.")],
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a web page.")] = None,
    markdown: Annotated[Path | None, typer.Option("--md", metavar="FILE", help="Write Markdown.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the rows as CSV.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the leaderboard of runs, and write it as a page, Markdown or CSV."""
    from ttscale_evals.report import load_report, render_csv, render_html, render_markdown, render_terminal

    with quiet_stdout():
        data = load_report(directories)
        title = "ttscale: " + ", ".join(directory.resolve().name for directory in directories)
        write_file(html, lambda: render_html(data, title=title))
        write_file(markdown, lambda: render_markdown(data, title=title))
        write_file(csv, lambda: render_csv(data.rows))
    if as_json:
        runs = [{"run_dir": run.directory, "config": run.config, "resume": run.command} for run in data.runs]
        echo_json({"rows": [row.to_json() for row in data.rows], "runs": runs})
    else:
        echo(render_terminal(data.rows, **screen()).rstrip("\n"))
