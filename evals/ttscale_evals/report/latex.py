r"""The leaderboard as LaTeX tables in the manner of booktabs, ready to be put into a paper."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from ttscale.cli.console import one_line
from ttscale_evals.report.column import Column
from ttscale_evals.report.columns import columns, known_note
from ttscale_evals.report.data import ReportData
from ttscale_evals.report.leaderboard import Group, footnotes, group_rows
from ttscale_evals.rows import Row

_MAX_NAME_CHARS: Final = 300
_SIGNS: Final[Mapping[str, str]] = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': r"{\char34}",
    "'": r"{\char39}",
    "-": r"{-}",  # two of them would be a dash
    "[": "{[}",  # at the beginning of a line these would be read as part of the end of the one before
    "]": "{]}",
    "*": "{*}",
    **{sign: f"\\{sign}" for sign in "{}$&#_%"},
}
_KNOWN: Final = frozenset("–—‘’“”…")
"""Beside Latin-1, what every LaTeX knows how to set."""


def render_latex(data: ReportData, *, title: str = "ttscale report") -> str:
    """Return a table a benchmark, notes below the last one; it needs the package booktabs and nothing else.

    The best of each benchmark is bold. Whatever names say is set as text; letters that not every LaTeX can set
    become ``U+4E2D``.
    """
    shown = columns(data.rows)
    parts = [
        f"% {_comment(title)}",
        r"% \usepackage{booktabs}",
        *(_table(group, shown) for group in group_rows(data.rows)),
    ]
    notes = [*footnotes(data.rows), f"How numbers are known: {known_note(shown, data.rows)}"]
    parts.append(
        "\n".join([r"\begin{small}", *(rf"\noindent {escape(note)}\par" for note in notes), r"\end{small}"])
    )
    return "\n\n".join(parts) + "\n"


def _comment(text: str) -> str:
    return one_line(text, max_chars=_MAX_NAME_CHARS)


def _table(group: Group, shown: Sequence[Column]) -> str:
    places = "".join("r" if column.is_number else "l" for column in shown)
    head = " & ".join(escape(column.title) for column in shown)
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            rf"\caption{{{escape(group.benchmark)}}}",
            r"\centering",
            rf"\begin{{tabular}}{{{places}}}",
            r"\toprule",
            rf"{head} \\",
            r"\midrule",
            *(_line(row, shown, is_best=group.is_best(row)) for row in group.rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _line(row: Row, shown: Sequence[Column], *, is_best: bool) -> str:
    cells = [escape(column.text(row)) for column in shown]
    if is_best:
        cells = [
            rf"\textbf{{{cell}}}" if column.key in {"strategy", "accuracy"} else cell
            for cell, column in zip(cells, shown, strict=True)
        ]
    return " & ".join(cells) + r" \\"


def escape(text: str) -> str:
    """Return text on one line that LaTeX sets as it is."""
    return re.sub(r"[^a-zA-Z0-9 .,;:!?/()=+@]", _sign, one_line(text, max_chars=_MAX_NAME_CHARS * 4))


def _sign(match: re.Match[str]) -> str:
    sign = match[0]
    if sign in _SIGNS:
        return _SIGNS[sign]
    is_known = "\xa1" <= sign <= "\xff" and sign != "\xad"
    return sign if is_known or sign in _KNOWN else f"U+{ord(sign):04X}"
