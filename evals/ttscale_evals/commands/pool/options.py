"""Options that mean the same in several commands of ``ttscale pool``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Bank: TypeAlias = Annotated[
    Path, typer.Argument(metavar="POOL", show_default=False, help="A sample bank, made if it is not there.")
]
Pool: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="POOL", show_default=False, help="A sample bank, an export, a log, or a plain pool."
    ),
]
