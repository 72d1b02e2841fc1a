"""What k recorded samples are worth: majority, any, all and best of k, with intervals, of anybody's recordings.

`read_collections` reads banks, logs and rows; `grade_collection` finds answers that are the same, and grades
where the pool does not; `measure` is pure; `render_terminal`, `render_markdown`, `render_csv` and `render_html`
write it down.
"""

from __future__ import annotations

from ttscale_evals.curves.collection import Asked, Collection, Drawn
from ttscale_evals.curves.grading import Graded, LeftOut, grade_collection
from ttscale_evals.curves.html import render_html
from ttscale_evals.curves.measuring import Curves, Estimate, Point, measure
from ttscale_evals.curves.reading import choose, read_collections
from ttscale_evals.curves.report import CurveReport, render_csv
from ttscale_evals.curves.text import render_markdown, render_terminal

__all__ = [
    "Asked",
    "Collection",
    "CurveReport",
    "Curves",
    "Drawn",
    "Estimate",
    "Graded",
    "LeftOut",
    "Point",
    "choose",
    "grade_collection",
    "measure",
    "read_collections",
    "render_csv",
    "render_html",
    "render_markdown",
    "render_terminal",
]
