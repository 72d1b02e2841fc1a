"""Runs side by side: who is better, at what cost, and whether that can be told.

`load_runs` reads run directories; everything after it is pure: `join_seeds` makes one system of runs that
differ only in their seed, `compare_systems` pairs systems by problem, holds them against the plain baselines at
matched compute and draws the Pareto fronts; `render_terminal` and `render_markdown` write that down.
"""

from __future__ import annotations

from ttscale_evals.compare.comparison import Comparison, compare_systems
from ttscale_evals.compare.csv_lines import render_csv
from ttscale_evals.compare.groups import Group, group_systems
from ttscale_evals.compare.loading import Loaded, load_runs
from ttscale_evals.compare.markdown import render_markdown
from ttscale_evals.compare.seeds import join_seeds
from ttscale_evals.compare.system import Source, System
from ttscale_evals.compare.terminal import render_terminal

__all__ = [
    "Comparison",
    "Group",
    "Loaded",
    "Source",
    "System",
    "compare_systems",
    "group_systems",
    "join_seeds",
    "load_runs",
    "render_csv",
    "render_markdown",
    "render_terminal",
]
