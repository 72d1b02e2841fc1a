"""Environment variables of options: ``TTSCALE_EVAL_MODEL`` for ``ttscale eval --model``."""

from __future__ import annotations

from typing import Final

from typer.core import TyperCommand, TyperGroup, TyperOption

PREFIX: Final = "TTSCALE"


def name_variables(command: object, prefix: str = PREFIX) -> None:
    """Let every option of a command, and of its sub-commands, come from the environment.

    A variable is named after the option as it is typed, not after the function's parameter. The option's other
    long names work too. Options of groups are left alone: ``TTSCALE_VERSION`` may be somebody's own.

    Args:
        command: as typer built it; changed in place.
        prefix: of the variables.
    """
    if isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            name_variables(inner, f"{prefix}_{_word(name)}")
        return
    if not isinstance(command, TyperCommand):
        return
    for option in command.params:
        if isinstance(option, TyperOption) and option.envvar is None and not option.is_eager:
            option.envvar = [f"{prefix}_{_word(name)}" for name in option.opts if name.startswith("--")]
            option.show_envvar = False  # a rule for all needs not be said of each


def _word(name: str) -> str:
    return name.lstrip("-").replace("-", "_").upper()
