"""The commands that the evaluation suite brings to the command line."""

from __future__ import annotations

from typing import Final

BUILTINS: Final = {
    "eval": "ttscale_evals.commands.eval:evaluate",
    "report": "ttscale_evals.commands.report:report",
}
"""Built-in commands by name: functions whose annotated parameters are the options. Importing one is quick."""

__all__ = ["BUILTINS"]
