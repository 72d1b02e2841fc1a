"""The rows as CSV, a column for each field."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence

from ttscale.cli.console import one_line
from ttscale.types import JSON
from ttscale_evals.rows import Row


def render_csv(rows: Sequence[Row]) -> str:
    """Return the rows with a header line; unknown values are empty."""
    return csv_of([row.to_json() for row in rows])


def csv_of(given: Sequence[Mapping[str, JSON]]) -> str:
    """Return documents as lines, with a column for each field that one of them has; unknown is empty."""
    documents = [_flat(document) for document in given]
    written = io.StringIO()
    names = dict.fromkeys(name for document in documents for name in document)
    parted = {name.partition(".")[0] for name in names if "." in name}  # shown by their parts
    shown = [name for name in names if name not in parted]
    writer = csv.DictWriter(written, shown, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in document.items()} for document in documents)
    return written.getvalue()


def _flat(document: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return a row with what it says of a replay in columns of their own: ``matched.at_equal_tokens.cost``."""
    flat = dict[str, JSON]()
    for name, value in document.items():
        if isinstance(value, Mapping) and name != "stop_reasons":
            parts = {f"{name}.{part}": inner for part, inner in _flat(value).items()}
            flat |= parts or {name: None}
        else:
            flat[name] = value
    return flat


def csv_cell(value: JSON) -> object:
    """Return a value as a cell, in which no text begins as a formula does."""
    if isinstance(value, list | tuple):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        return value
    text = one_line(value)
    # A spreadsheet would take such a text for a formula.
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
