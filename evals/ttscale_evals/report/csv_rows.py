"""The rows as CSV, a column for each field."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from ttscale.cli.console import one_line
from ttscale.types import JSON
from ttscale_evals.rows import Row


def render_csv(rows: Sequence[Row]) -> str:
    """Return the rows with a header line; unknown values are empty."""
    documents: list[Mapping[str, JSON]] = [row.to_json() for row in rows]
    written = io.StringIO()
    names = list(dict.fromkeys(name for document in documents for name in document))
    writer = csv.DictWriter(written, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in document.items()} for document in documents)
    return written.getvalue()


def _cell(value: JSON) -> object:
    if not isinstance(value, str):
        return value
    text = one_line(value)
    # A spreadsheet would take such a text for a formula.
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
