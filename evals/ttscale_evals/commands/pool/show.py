"""``ttscale pool show``: what a pool holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ttscale.cli.console import echo, echo_json, one_line, quiet_stdout
from ttscale.cli.options import AsJson
from ttscale_evals.commands.pool.options import Pool

if TYPE_CHECKING:
    from ttscale.bank import ModelSummary, SeriesGroup

_BY_SETTINGS: Final = ("problems", "prompts", "samples", "aborted", "failed", "tokens", "timed", "logprobs")
_BY_BENCHMARK: Final = ("problems", "samples", "tokens", "answer is target")
_BY_GRADER: Final = ("graded", "right", "mean grade")


def show(pool: Pool, as_json: AsJson = False) -> None:
    """Say what a pool holds, by model, settings and benchmark."""
    from ttscale.bank import open_pool, summarise

    with quiet_stdout(), open_pool(pool) as bank:
        num_samples, models = bank.num_samples(), summarise(bank)
    if as_json:
        echo_json(
            {"pool": str(pool), "num_samples": num_samples, "models": [model.to_json() for model in models]}
        )
    else:
        echo(f"{one_line(str(pool))}: {num_samples:,} samples")
        echo(render_summaries(models))


def render_summaries(models: Sequence[ModelSummary], *, width: int | None = None) -> str:
    """Return what a pool holds for the terminal: by model and settings, by benchmark, and by grader if any."""
    from ttscale_evals.commands.pool.tables import render_table
    from ttscale_evals.report.formats import count, percent

    settings = [
        [
            model.short_name,
            group.settings or "unknown",
            count(group.num_problems),
            count(group.num_prompts),
            _samples(group),
            count(group.num_aborted),
            count(group.num_failed),
            count(group.generated_tokens),
            count(group.num_timed),
            "none" if group.max_logprobs is None else count(group.max_logprobs),
        ]
        for model in models
        for group in model.groups
    ]
    benchmarks = [
        [
            model.short_name,
            group.benchmark or "none",
            count(group.num_problems),
            count(group.num_samples),
            count(group.generated_tokens),
            percent(group.accuracy),
        ]
        for model in models
        for group in model.benchmarks
    ]
    graded = [
        [
            model.short_name,
            group.benchmark or "none",
            own.name,
            count(own.num_graded),
            count(own.num_right),
            percent(own.mean),
        ]
        for model in models
        for group in model.benchmarks
        for own in group.grades
    ]
    tables = [
        (("model", "settings", *_BY_SETTINGS), _BY_SETTINGS, settings),
        (("model", "benchmark", *_BY_BENCHMARK), _BY_BENCHMARK, benchmarks),
        (("model", "benchmark", "graded elsewhere by", *_BY_GRADER), _BY_GRADER, graded),
    ]
    return "\n\n".join(
        render_table(titles, rows, numbers=numbers, width=width) for titles, numbers, rows in tables if rows
    )


def _samples(group: SeriesGroup) -> str:
    least, most = group.min_samples, group.max_samples
    return f"{least:,}" if least == most else f"{least:,}–{most:,}"
