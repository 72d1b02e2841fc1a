"""How far a run is, on standard error: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from ttscale.cli.console import note, one_line
from ttscale_evals.progress import Progress, ProgressListener
from ttscale_evals.report.formats import count, duration, magnitude

_SECONDS_BETWEEN_LINES: Final = 5.0


@contextmanager
def progress_display(display: str) -> Generator[ProgressListener | None]:
    """Lend a listener that shows progress while the block runs.

    Args:
        display: ``"bar"``, ``"plain"`` (lines), ``"none"``, or ``"auto"``: a bar where standard error is a
            terminal, else lines.
    """
    chosen = display if display != "auto" else ("bar" if sys.stderr.isatty() else "plain")
    if chosen == "none":
        yield None
    elif chosen == "plain":
        yield PlainLines()
    else:
        console = Console(file=sys.stderr, highlight=False)
        columns = (BarColumn(bar_width=None), TextColumn("{task.fields[line]}", markup=False))
        with Bar(*columns, console=console, expand=True) as bar:
            task = bar.add_task("", total=None, line="starting")

            def show(progress: Progress) -> None:
                bar.update(
                    task, total=progress.total, completed=progress.done, line=describe_progress(progress)
                )

            yield show


class PlainLines:
    """Writes a line when a row begins, every few seconds, and at the end."""

    def __init__(self) -> None:
        """Start with nothing shown."""
        self._row: tuple[str, str, str] | None = None
        self._shown_at = 0.0
        self._shown_done = -1

    def __call__(self, progress: Progress) -> None:
        """Show the state of the run if it is time to."""
        row = (progress.benchmark, progress.strategy, progress.model)
        is_due = progress.seconds - self._shown_at >= _SECONDS_BETWEEN_LINES
        is_end = progress.done == progress.total and self._shown_done != progress.done
        if is_end or row != self._row or (is_due and progress.done != progress.total):
            self._row, self._shown_at, self._shown_done = row, progress.seconds, progress.done
            note(describe_progress(progress))


def describe_progress(progress: Progress) -> str:
    """Return the state of a run on one line."""
    parts = [f"{progress.done:,}/{progress.total:,}"]
    if progress.errors:
        parts.append(f"{progress.errors:,} failed")
    parts.append(f"{magnitude(progress.tokens)} tokens")
    if progress.tokens_per_second is not None:
        parts.append(f"{count(round(progress.tokens_per_second))} tokens/s")
    if progress.usd:
        parts.append(f"${progress.usd:.2f}")
    if progress.done < progress.total:
        parts.append(f"{duration(progress.seconds_left)} left")
    titles = filter(None, (progress.benchmark, progress.strategy, progress.model))
    return " · ".join([*parts, ", ".join(one_line(title, max_chars=28) for title in titles)])
