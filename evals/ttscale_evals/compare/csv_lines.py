"""The comparison as CSV: a line for each system, pair, matched cost and place on a front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final

from ttscale.types import JSON
from ttscale_evals.compare.comparison import Comparison
from ttscale_evals.report.csv_rows import csv_of

_NAMES: Final = {"label": "system", "ours": "system", "theirs": "against", "reference": "against"}
"""Fields that are the same thing under one name: who it is about, and whom it is held against."""


def render_csv(comparison: Comparison) -> str:
    """Return lines whose ``kind`` is system, pair, matched or front; what a kind does not have is empty."""
    kinds: Mapping[str, Sequence[Mapping[str, JSON]]] = {
        "system": [entry.to_json() for entry in comparison.entries],
        "pair": [{**asdict(pair), "verdict": pair.verdict} for pair in comparison.pairs],
        "matched": [asdict(matched) for matched in comparison.matched],
        "front": [asdict(point) for point in comparison.fronts],
    }
    return csv_of([_line(kind, document) for kind, documents in kinds.items() for document in documents])


def _line(kind: str, document: Mapping[str, JSON]) -> dict[str, JSON]:
    named = {_NAMES.get(name, name): value for name, value in document.items()}
    first = {name: named.get(name) for name in ("benchmark", "system", "against", "axis")}
    return {"kind": kind, **first, **named}
