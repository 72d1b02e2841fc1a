"""Options that mean the same in several commands of ``ttscale pool``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from ttscale.errors import ConfigError

Bank: TypeAlias = Annotated[
    Path, typer.Argument(metavar="POOL", show_default=False, help="A sample bank, made if it is not there.")
]
Pool: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="POOL", show_default=False, help="A sample bank, an export, a log, or a plain pool."
    ),
]


def named_columns(words: Sequence[str]) -> dict[str, str]:
    """Read the ``ROLE=FIELD`` words of ``--column``.

    Raises:
        ConfigError: one is not of this form, or a role is named twice.
    """
    names = dict[str, str]()
    for word in words:
        role, equals, field = word.partition("=")
        if not equals or not role.strip() or not field:
            raise ConfigError(f"--column {word!r} is not ROLE=FIELD; write --column length=num_tokens, say.")
        if role.strip() in names:
            raise ConfigError(f"--column names the {role.strip()} twice; leave one out.")
        names[role.strip()] = field
    return names
