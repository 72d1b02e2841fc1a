"""``ttscale report``: the leaderboard of finished or unfinished runs, drawn anew from their stores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttscale.cli.console import echo, echo_json, quiet_stdout, screen
from ttscale.cli.options import AsJson
from ttscale_evals.commands.outcomes import Prices, read_prices, write_file


def report(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR…", help="Run directories.")],
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a web page.")] = None,
    markdown: Annotated[Path | None, typer.Option("--md", metavar="FILE", help="Write Markdown.")] = None,
    latex: Annotated[Path | None, typer.Option("--tex", metavar="FILE", help="Write LaTeX tables.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the rows as CSV.")] = None,
    prices: Prices = None,
    as_json: AsJson = False,
) -> None:
    """Show the leaderboard of runs, and write it as a page, Markdown, LaTeX or CSV."""
    from ttscale_evals.report import (
        load_report,
        render_csv,
        render_html,
        render_latex,
        render_markdown,
        render_terminal,
    )
    from ttscale_evals.rows import known_of

    with quiet_stdout():
        data = load_report(directories, prices=read_prices(prices))
        title = "ttscale: " + ", ".join(directory.resolve().name for directory in directories)
        write_file(html, lambda: render_html(data, title=title))
        write_file(markdown, lambda: render_markdown(data, title=title))
        write_file(latex, lambda: render_latex(data, title=title))
        write_file(csv, lambda: render_csv(data.rows))
    if as_json:
        runs = [{"run_dir": run.directory, "config": run.config, "resume": run.command} for run in data.runs]
        echo_json(
            {
                "is_complete": all(row.is_complete for row in data.rows),
                "how_known": known_of(data.rows),
                "rows": [row.to_json() for row in data.rows],
                "runs": runs,
            }
        )
    else:
        echo(render_terminal(data.rows, **screen()).rstrip("\n"))
