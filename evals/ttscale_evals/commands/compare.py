"""``ttscale compare``: who is better, at what cost, and whether that can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttscale.cli.console import echo, echo_json, note, one_line, quiet_stdout, screen
from ttscale.cli.options import AsJson
from ttscale_evals.commands.outcomes import Prices, read_prices, write_file

_BASELINE_HELP = "Hold all others against this system; default single and self_consistency, else all pairs."
_BY_HELP = (
    "tokens, seconds, usd, flops, critical_path, critical_path_seconds, work_seconds, kv_token_steps or "
    "distinct_kv_token_steps; repeat for several."
)


def compare(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR…", help="Run directories.")],
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="SYSTEM", help=_BASELINE_HELP, show_default=False)
    ] = None,
    by: Annotated[list[str] | None, typer.Option("--by", metavar="COST", help=_BY_HELP)] = None,
    common: Annotated[
        bool, typer.Option("--common", help="Leave problems out that not all systems did.")
    ] = False,
    mixed_graders: Annotated[
        bool, typer.Option("--mixed-graders", help="Compare though grader versions differ.")
    ] = False,
    by_seed: Annotated[
        bool, typer.Option("--by-seed", help="Keep runs apart that differ only in their seed.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of the resampling.", min=0)] = 0,
    prices: Prices = None,
    markdown: Annotated[Path | None, typer.Option("--md", metavar="FILE", help="Write Markdown.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write all numbers as CSV.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the strategies of one or more runs, problem by problem and at matched compute."""
    from ttscale_evals.compare import (
        compare_systems,
        group_systems,
        join_seeds,
        load_runs,
        render_csv,
        render_markdown,
        render_terminal,
    )

    with quiet_stdout():
        loaded = load_runs(directories, prices=read_prices(prices))
        systems = loaded.systems if by_seed else join_seeds(loaded.systems)
        groups = group_systems(systems, is_common=common, has_mixed_graders=mixed_graders)
        comparison = compare_systems(
            groups,
            baseline=baseline,
            by=by or (),
            seed=seed,
            left_out=loaded.left_out,
            unreadable=loaded.unreadable,
        )
        write_file(markdown, lambda: render_markdown(comparison))
        write_file(csv, lambda: render_csv(comparison))
    if as_json:
        echo_json(comparison.to_json())
    else:
        echo(render_terminal(comparison, **screen()).rstrip("\n"))
    for entry in (*loaded.unreadable, *loaded.left_out):
        note(f"left out: {one_line(entry.what)}: {one_line(entry.why, max_chars=300)}")
    if loaded.unreadable:
        raise typer.Exit(1)
