"""``ttscale leaderboard``: a table to be published, each row with its commit, its interval and its command."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ttscale.cli.console import echo, note, one_line, quiet_stdout
from ttscale_evals.commands.outcomes import write_file

_CONFIG_HELP = "The file that the runs were made from: commands name it, and are short."


def leaderboard(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR…", help="Run directories.")],
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help=_CONFIG_HELP, show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Default: standard output.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the resampling.", min=0)] = 0,
) -> None:
    """Write runs as a Markdown leaderboard against the plain baselines at equal tokens."""
    from ttscale_evals.compare import compare_systems, group_systems, load_runs
    from ttscale_evals.compare.leaderboard import read_origin, render_leaderboard
    from ttscale_evals.config import EvalConfig

    words = ["ttscale", "leaderboard", *map(str, directories)]
    for option, path in (("--config", config), ("--out", out)):
        words += [] if path is None else [option, str(path)]
    words += ["--seed", str(seed)] if seed else []
    with quiet_stdout():
        given = None if config is None else (str(config), EvalConfig.load(config))
        loaded = load_runs(directories)
        comparison = compare_systems(
            group_systems(loaded.systems),
            by=["tokens"],
            seed=seed,
            left_out=loaded.left_out,
            unreadable=loaded.unreadable,
        )
        unreadable = {entry.what for entry in loaded.unreadable}
        origins = [read_origin(path) for path in directories if str(path) not in unreadable]
        written = render_leaderboard(comparison, origins, command=shlex.join(words), given=given)
        write_file(out, lambda: written)
    if out is None:
        echo(written.rstrip("\n"))
    for entry in (*loaded.unreadable, *loaded.left_out):
        note(f"left out: {one_line(entry.what)}: {one_line(entry.why, max_chars=300)}")
    if loaded.unreadable:
        raise typer.Exit(1)
