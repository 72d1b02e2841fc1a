"""The commands that the evaluation suite brings to the command line."""

from __future__ import annotations

from typing import Final

BUILTINS: Final = {
    "compare": "ttscale_evals.commands.compare:compare",
    "eval": "ttscale_evals.commands.eval:evaluate",
    "leaderboard": "ttscale_evals.commands.leaderboard:leaderboard",
    "plan": "ttscale_evals.commands.plan:plan",
    "pool": "ttscale_evals.commands.pool.app:app",
    "report": "ttscale_evals.commands.report:report",
}
"""Built-in commands by name: functions whose annotated parameters are the options, or a `typer.Typer` of such.
Importing one is quick."""

__all__ = ["BUILTINS"]
