"""``ttscale pool curves``: majority, any, all and best of k recorded samples, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ttscale.cli.console import echo, echo_json, note, one_line, quiet_stdout, screen
from ttscale.cli.options import AsJson
from ttscale.errors import ConfigError
from ttscale_evals.commands.outcomes import write_file
from ttscale_evals.commands.pool.options import named_columns

if TYPE_CHECKING:
    from ttscale_evals.curves import Collection, CurveReport, Graded, LeftOut

_SECONDS_BETWEEN_LINES: Final = 5.0
_POOLS_HELP: Final = "Sample banks, exports, logs of other harnesses, or rows with answers, grades or targets."


def curves(
    pools: Annotated[list[Path], typer.Argument(metavar="POOL…", show_default=False, help=_POOLS_HELP)],
    benchmarks: Annotated[
        list[str] | None, typer.Option("--benchmark", "-b", metavar="NAME", help="Repeat for several.")
    ] = None,
    recorded: Annotated[
        list[str] | None, typer.Option("--recorded", metavar="MODEL", help="Repeat for several.")
    ] = None,
    grader: Annotated[
        str | None, typer.Option("--grader", metavar="NAME", help="Of a pool with several; default all.")
    ] = None,
    k: Annotated[
        str, typer.Option("--k", metavar="K,…", help="Default: 1, 2, 4 and so on up to all samples.")
    ] = "",
    columns: Annotated[
        list[str] | None, typer.Option("--column", metavar="ROLE=FIELD", help="Which field of rows is what.")
    ] = None,
    as_written: Annotated[
        bool, typer.Option("--as-written", help="Do not compare formulas by algebra: quicker.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of the resampling.", min=0)] = 0,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a web page.")] = None,
    markdown: Annotated[Path | None, typer.Option("--md", metavar="FILE", help="Write Markdown.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the numbers as CSV.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what k recorded samples are worth: maj@k, pass@k, pass^k and accuracy, with intervals."""
    from ttscale_evals.curves import choose, read_collections, render_csv, render_html, render_markdown
    from ttscale_evals.curves import render_terminal as render

    ks = _numbers(k)
    with quiet_stdout():
        collections = read_collections(pools, columns=named_columns(columns or []))
        chosen = choose(collections, models=recorded or (), benchmarks=benchmarks or ())
        report = _measured(chosen, grader, ks, seed, as_written=as_written)
        title = f"Curves of {pools[0].name}" if len(pools) == 1 else f"Curves of {len(pools)} pools"
        write_file(html, lambda: render_html(report, title=title))
        write_file(markdown, lambda: render_markdown(report, title=title))
        write_file(csv, lambda: render_csv(report))
    if as_json:
        echo_json({"pools": [str(path) for path in pools], **report.to_json()})
    else:
        echo(render(report, **screen()))
    for left_out in report.left_out:
        note(f"left out: {one_line(left_out.what)}: {one_line(left_out.why)}")


def _numbers(text: str) -> list[int]:
    """Return the numbers of a list with commas.

    Raises:
        ConfigError: one is no whole number >= 1.
    """
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    if wrong := [word for word in words if not (word.isascii() and word.isdigit() and int(word) >= 1)]:
        raise ConfigError(f"--k {wrong[0]!r} is no whole number >= 1; write --k 1,2,4,8, say.")
    return [int(word) for word in words]


def _measured(
    chosen: Sequence[Collection], grader: str | None, ks: Sequence[int], seed: int, *, as_written: bool
) -> CurveReport:
    import asyncio

    from ttscale_evals.curves import CurveReport, measure

    graded, left_out = asyncio.run(_graded(chosen, as_written=as_written))
    if not graded:
        reasons = "; ".join(f"{one.what}: {one.why}" for one in left_out)
        raise ConfigError(f"nothing can be graded ({reasons}); name a field with --column grade=FIELD.")
    if grader is not None:
        names = list(dict.fromkeys(one.grader for one in graded))
        graded = [one for one in graded if one.grader == grader]
        if not graded:
            known = ", ".join(repr(name) for name in names if name) or "none that has a name"
            raise ConfigError(f"--grader {grader!r} is not there; there are: {known}.")
    return CurveReport(seed=seed, curves=[measure(one, ks, seed=seed) for one in graded], left_out=left_out)


async def _graded(chosen: Sequence[Collection], *, as_written: bool) -> tuple[list[Graded], list[LeftOut]]:
    from ttscale.workers import Workers
    from ttscale_evals.curves import Graded, LeftOut, grade_collection

    found, left_out, said = list[Graded](), list[LeftOut](), monotonic()
    async with Workers() as workers:
        for number, collection in enumerate(chosen):
            if monotonic() - said > _SECONDS_BETWEEN_LINES:
                said = monotonic()
                note(f"answers compared: {number:,} of {len(chosen):,} models and benchmarks")
            graded, missing = await grade_collection(collection, workers, is_as_written=as_written)
            found += graded
            left_out += missing
    return found, left_out
