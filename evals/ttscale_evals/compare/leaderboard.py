"""A leaderboard to be published: of each row where it is from, what it is worth, and how to get it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

from ttscale.errors import ConfigError, TTScaleError
from ttscale.registry import create_strategy
from ttscale.strategy import parts
from ttscale.types import JSON
from ttscale.verifier import Verifier
from ttscale_evals.compare.comparison import Comparison
from ttscale_evals.compare.entries import Entry
from ttscale_evals.compare.markdown import draw_table
from ttscale_evals.compare.matched import MatchedCost
from ttscale_evals.compare.tables import Line, Table, points_text
from ttscale_evals.config import EvalConfig, PluginConfig
from ttscale_evals.report import formats
from ttscale_evals.report.markdown import escape, fenced
from ttscale_evals.report.row_texts import accuracy_text
from ttscale_evals.store import RunDirectory

_UNKNOWN: Final = "unknown"
_COMMIT_CHARS: Final = 12
_LEGEND: Final = (
    "Accuracy with its 95 % interval, failed problems counted as wrong; tokens (computed prompt, generated,"
    " cancelled and verifier tokens) and median latency of a problem, with many at work at once. The last "
    "but one column is the accuracy of the model's best plain baseline (one sample, or the majority of "
    "more) for the same tokens, interpolated between its measured points and never beyond; the last is what"
    " the row has over it, in points, with a paired 95 % bootstrap interval over problems. A row is bold "
    "where that interval lies above 0. Marked (oracle) is what chooses with the reference answer at hand: it "
    "shows what a perfect verifier could reach, and is never bold."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """How a run was made."""

    directory: str
    config: EvalConfig
    """Resolved."""
    about: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    """Its ``run.json``."""

    @property
    def revision(self) -> str:
        """The commit it was made from."""
        return str(self.about.get("revision") or _UNKNOWN)

    @property
    def commit(self) -> str:
        """The revision, short; what was not committed stays visible."""
        commit, dash, rest = self.revision.partition("-")
        return commit[:_COMMIT_CHARS] + dash + rest


def read_origin(path: Path) -> Origin:
    """Read how a run was made.

    Raises:
        ConfigError: it is no run, or its config is broken.
    """
    directory = RunDirectory(path)
    return Origin(directory=str(path), config=directory.config(), about=directory.about())


# ── commands ──────────────────────────────────────────────────────────────────────────────────────────────


def row_command(entry: Entry, origin: Origin, *, given: tuple[str, EvalConfig] | None = None) -> str:
    """Return the command that evaluates one row again, and nothing else.

    Args:
        entry: the row.
        origin: of its run.
        given: path and content of the config file that the run was made from; ``None``: options say it all.

    Raises:
        ConfigError: the row is not of that file, or options cannot say it.
    """
    resolved, row = origin.config, entry.row
    words = ["ttscale", "eval"] if given is None else ["ttscale", "eval", given[0]]
    source = resolved if given is None else given[1]
    model = next((one for one in resolved.models if one.title == row.model), resolved.models[0])
    if given is None and resolved.replay is not None:
        raise ConfigError(
            f"the model {model.title!r} of {origin.directory!r} is a recording, which no command line says; "
            f"name the config file that the run was made from with --config."
        )
    num_models = max(len(resolved.models), len(source.models))
    if given is None or num_models > 1 or all(one.model != model.model for one in source.models):
        if model.options:
            raise ConfigError(
                f"the model {model.title!r} of {origin.directory!r} has options that no command line says; "
                f"name the config file that the run was made from with --config, with that model alone."
            )
        words += ["--model", model.model]
    words += ["--benchmark", _spec(source.benchmarks, row.benchmark, origin, given)]
    words += ["--strategy", _spec(source.strategies, row.strategy, origin, given)]
    if row.budget or source.budgets != (None,):
        words += ["--budget", row.budget or "none"]
    if resolved.replay is not None and source.replay is None:
        words += ["--replay", resolved.replay]
    for name in ("limit", "seed", "concurrency"):
        value = getattr(resolved, name)
        if value is not None and (given is None or getattr(source, name) != value):
            words += [f"--{name}", str(value)]
    return shlex.join([*words, *(["--turns"] if resolved.turns and not (given and source.turns) else [])])


def _spec(
    entries: Sequence[PluginConfig], title: str, origin: Origin, given: tuple[str, EvalConfig] | None
) -> str:
    found = next((entry for entry in entries if entry.title == title), None)
    if found is None:
        where = "" if given is None else given[0]
        raise ConfigError(
            f"{where!r} does not name {title!r}, which the run in {origin.directory!r} has; name the config "
            f"file that it was made from."
        )
    return str(found.spec)


# ── the page ──────────────────────────────────────────────────────────────────────────────────────────────


def render_leaderboard(
    comparison: Comparison,
    origins: Sequence[Origin],
    *,
    command: str,
    given: tuple[str, EvalConfig] | None = None,
) -> str:
    """Return the leaderboard as Markdown.

    Args:
        comparison: of the runs.
        origins: of the same runs.
        command: that writes it.
        given: see `row_command`.

    Raises:
        ConfigError: see `row_command`.
    """
    by_run = {origin.directory: origin for origin in origins}
    parts = ["# Leaderboard", f"Written by `{command}`; do not edit it by hand.", _LEGEND, _runs(origins)]
    for benchmark, members in groupby(comparison.entries, lambda entry: entry.row.benchmark):
        entries = sorted(members, key=lambda e: (-(e.row.accuracy or 0.0), e.row.tokens_per_problem or 0.0))
        table = _table(benchmark, entries, _at_equal_tokens(comparison, benchmark), by_run)
        commands = [row_command(entry, by_run[entry.run_dir], given=given) for entry in entries]
        parts += [f"## {escape(benchmark)}", draw_table(table), *_folded("Each row again", commands)]
    notes = [*comparison.notes, *(f"left out: {one.what}: {one.why}" for one in comparison.left_out)]
    parts += ["## Notes", "\n".join(f"- {escape(note)}" for note in notes)]
    return "\n\n".join(parts) + "\n"


def _at_equal_tokens(comparison: Comparison, benchmark: str) -> Mapping[str, MatchedCost]:
    """Return of each system what it is against its model's plain curve, the most accurate one at its tokens."""
    models = {entry.label: entry.row.model for entry in comparison.entries if entry.row.benchmark == benchmark}
    found = [
        m
        for m in comparison.matched
        if m.axis == "tokens" and m.benchmark == benchmark and models[m.nearest[0].system] == models[m.system]
    ]
    found.sort(key=lambda m: (m.difference is not None, m.reference_accuracy or 0.0))
    return {matched.system: matched for matched in found}


def _table(
    benchmark: str, entries: Sequence[Entry], matched: Mapping[str, MatchedCost], by_run: Mapping[str, Origin]
) -> Table:
    return Table(
        title=benchmark,
        columns=(
            *("strategy", "accuracy [95 %]", "n", "errors", "tokens", "p50 s"),
            *("commit", "plain at equal tokens", "difference [95 %]"),
        ),
        texts=frozenset({"strategy", "commit"}),
        lines=tuple(_line(entry, matched.get(entry.label), by_run[entry.run_dir]) for entry in entries),
    )


def _line(entry: Entry, matched: MatchedCost | None, origin: Origin) -> Line:
    is_oracle = _reads_targets(origin.config, entry.row.strategy)
    if matched is None:
        against = ("", "a plain baseline" if entry.is_plain else formats.UNKNOWN)
    elif matched.difference is None:
        against = (formats.UNKNOWN, matched.note)
    else:
        shown = points_text(matched.difference, matched.difference_low, matched.difference_high)
        against = (formats.percent(matched.reference_accuracy), shown)
    return Line(
        cells=(
            f"{entry.label} (oracle)" if is_oracle else entry.label,
            accuracy_text(entry.row),
            formats.count(entry.row.num_problems),
            formats.count(entry.row.errors),
            formats.count(entry.row.tokens_per_problem),
            formats.seconds(entry.row.latency_p50_seconds),
            origin.commit,
            *against,
        ),
        is_bold=not is_oracle and matched is not None and (matched.difference_low or 0.0) > 0,
    )


def _reads_targets(config: EvalConfig, title: str) -> bool:
    """Whether a strategy, or a verifier within it, chooses with the reference answer at hand."""
    entry = next((entry for entry in config.strategies if entry.title == title), None)
    if entry is None:
        return False
    try:
        strategy = create_strategy(entry.spec)
    except TTScaleError:  # a plugin that is not installed any more
        return False
    return any(isinstance(part, Verifier) and part.needs_target for part in parts(strategy))


def _folded(title: str, lines: Sequence[str]) -> Sequence[str]:
    return f"<details><summary>{title}</summary>", fenced("\n".join(lines), "sh"), "</details>"


def _runs(origins: Sequence[Origin]) -> str:
    """Return how each run was made: when, from what, on what, and with which versions."""
    lines = list[str]()
    for origin in origins:
        about, concurrency = origin.about, origin.config.concurrency
        packages = about.get("packages")
        versions = packages if isinstance(packages, Mapping) else {}
        facts = {
            "run": origin.directory,
            "date": str(about.get("began") or _UNKNOWN).partition("T")[0],
            "commit": origin.revision,
            "model": origin.config.model_title,
            "engine": str(about.get("backend") or _UNKNOWN),
            "problems at work at once": str(concurrency),
            "machine": _machine(about),
            "versions": ", ".join(f"{name} {version}" for name, version in versions.items()) or _UNKNOWN,
        }
        lines += [f"- {name}: {escape(fact)}" for name, fact in facts.items()]
    return "\n".join(lines)


def _machine(about: Mapping[str, JSON]) -> str:
    machine = about.get("machine")
    known = machine if isinstance(machine, Mapping) else {}
    cores, memory, accelerators = known.get("num_cores"), known.get("memory_gib"), known.get("accelerators")
    parts = [
        str(known.get("processor") or ""),
        f"{cores} cores" if cores else "",
        f"{memory} GiB" if memory else "",
        ", ".join(map(str, accelerators)) if isinstance(accelerators, Sequence) else "",
        str(about.get("platform") or ""),
        f"Python {about['python']}" if about.get("python") else "",
    ]
    return ", ".join(part for part in parts if part) or _UNKNOWN
