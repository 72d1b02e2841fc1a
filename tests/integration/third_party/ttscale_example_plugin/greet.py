"""A command for the ttscale command line."""

from __future__ import annotations

from typing import Annotated

import typer


def greet(name: Annotated[str, typer.Argument(help="Whom.")] = "world") -> None:
    """Greet somebody."""
    typer.echo(f"Hello, {name}!")
