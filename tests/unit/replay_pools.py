"""Small pools of recorded samples, and what it takes to compare strategies on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from ttscale.evals import Comparison, EvalConfig, EvalResult, Row, plan_comparison, run_comparison
from ttscale_evals.replay.comparison import Compared

Sampled = tuple[str | None, int]
"""A prediction and its length."""

# Right is "4". Lengths in tokens; at the default pace 50 of them take a second.
EASY: Sequence[Sampled] = (("4", 100), ("4", 300), ("4", 200), ("4", 400))
SPLIT: Sequence[Sampled] = (("5", 200), ("4", 600), ("4", 400), ("5", 100))
SILENT: Sequence[Sampled] = ((None, 500), ("4", 300), (None, 50), ("7", 300))


def write_pool(
    folder: Path,
    problems: Mapping[str, Sequence[Sampled]] | None = None,
    *,
    models: Sequence[str] = ("toy",),
    target: str | None = "4",
    name: str = "pool.jsonl",
) -> Path:
    """Write a plain pool with a benchmark ``b``."""
    held = problems or {"easy": EASY, "split": SPLIT, "silent": SILENT}
    rows = [
        {
            "model": model,
            "benchmark": "b",
            "problem": problem,
            "sample": number,
            "prediction": prediction,
            "length": length,
            **({} if target is None else {"target": target}),
        }
        for model in models
        for problem, samples in held.items()
        for number, (prediction, length) in enumerate(samples)
    ]
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def config_of(pool: Path, *strategies: str, **changes: object) -> EvalConfig:
    benchmark = {"name": "pool", "params": {"path": str(pool)}, "label": "b"}
    given = {"model": f"replay:{pool}", "benchmarks": [benchmark], "strategies": strategies, **changes}
    return EvalConfig.load(None, given)


def row_of(result: EvalResult, strategy: str) -> Row:
    (row,) = [row for row in result.rows if row.strategy == strategy]
    return row


def compare(pool: Path, out: Path, **asked: object) -> Compared:
    comparison = Comparison(pool=pool, **asked)  # type: ignore[arg-type]  # as each test says
    expanded = plan_comparison(comparison, out)
    return run_comparison(comparison, expanded, out, on_run=lambda *_: nullcontext(None))
