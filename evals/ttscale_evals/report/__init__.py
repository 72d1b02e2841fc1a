"""Reports: what a run store holds, drawn as terminal text, Markdown, LaTeX, CSV, and one HTML page.

`load_report` reads run directories into `ReportData`; the renderers are pure functions from that to text.
"""

from __future__ import annotations

from ttscale_evals.report.csv_rows import render_csv
from ttscale_evals.report.data import Answer, ReportData, RunInfo
from ttscale_evals.report.html import render_html
from ttscale_evals.report.latex import render_latex
from ttscale_evals.report.load import load_report, resume_command
from ttscale_evals.report.markdown import render_markdown
from ttscale_evals.report.terminal import render_terminal

__all__ = [
    "Answer",
    "ReportData",
    "RunInfo",
    "load_report",
    "render_csv",
    "render_html",
    "render_latex",
    "render_markdown",
    "render_terminal",
    "resume_command",
]
