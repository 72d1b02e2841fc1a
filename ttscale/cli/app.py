"""The `ttscale` command: its sub-commands, and what becomes of errors and of Ctrl-C."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import typer
from typer.main import get_command

import ttscale
from ttscale.cli.console import note, one_line
from ttscale.cli.environment import name_variables
from ttscale.errors import BackendUnavailable, BudgetTooSmall, ConfigError, TTScaleError

FAILED: Final = 1
"""Exit status: finished, but something failed."""
WRONG_USE: Final = 2
"""Exit status: the command, its configuration or its surroundings are wrong; nothing was started."""
INTERRUPTED: Final = 130
"""Exit status after Ctrl-C."""

_WRONG_USE_ERRORS: Final = (ConfigError, BackendUnavailable, BudgetTooSmall)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Args:
        arguments: the words after ``ttscale``; ``None``: those of this process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    _show_log(_is_debugging(words))
    try:
        command = get_command(build_app(words))
        name_variables(command)
        command(args=words, prog_name="ttscale")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if _is_debugging(words):
            traceback.print_exception(error)
        return report_error(error)
    return 0


def _show_log(wanted: bool) -> None:
    """Let ttscale's log, with its tracebacks, through to standard error, or keep it back.

    What failed is said by the command itself, once and in a line.
    """
    log, silence = logging.getLogger("ttscale"), logging.NullHandler
    for handler in [handler for handler in log.handlers if isinstance(handler, silence)]:
        log.removeHandler(handler)
    if not wanted:
        log.addHandler(silence())  # without any handler warnings would be printed


def report_error(error: Exception) -> int:
    """Say in a sentence on standard error what went wrong, and return the exit status that belongs to it."""
    cause = _cause(error)
    if isinstance(cause, TTScaleError):
        note(f"error: {one_line(str(cause))}")
        return WRONG_USE if isinstance(cause, _WRONG_USE_ERRORS) else FAILED
    note(
        f"error: {type(cause).__name__}: {one_line(str(cause)) or 'no message'}"
        " (unexpected; `ttscale --debug …` shows where it happened)"
    )
    return FAILED


def _cause(error: Exception) -> Exception:
    """Return what a task group's exception is about: an error of ours if there is one, else the first."""
    while isinstance(error, ExceptionGroup):
        ours, _ = error.split(TTScaleError)
        error = (ours or error).exceptions[0]
    return error


def _is_debugging(words: Sequence[str]) -> bool:
    """Whether ``--debug`` stands before the sub-command, or ``TTSCALE_DEBUG`` is set."""
    if os.environ.get("TTSCALE_DEBUG"):
        return True
    for word in words:
        if not word.startswith("-"):
            return False
        if word == "--debug":
            return True
    return False


def build_app(words: Sequence[str] = ()) -> typer.Typer:
    """Return the command line with every command that is installed.

    Args:
        words: the arguments to come. Where they call a command that is there, it is the only one: to read the
            options of all of them takes longer than to start. A third-party one is imported only when called.
    """
    app = typer.Typer(
        help="Spend test-time compute well: test-time scaling of language models.",
        epilog="Exit status: 0 done, 1 finished with failed problems, 2 wrong usage or configuration.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_global_options)
    commands = _commands(words)
    called = next((word for word in words if not word.startswith("-")), None)
    for name, command in commands.items():
        if called == name or called not in commands:
            _add_command(app, name, command)
    return app


def _commands(words: Sequence[str]) -> dict[str, Callable[..., object] | str]:
    """Return every command, in the order of the help."""
    from ttscale.cli import doctor, plugins, solve
    from ttscale.cli import list as list_command

    return {
        "solve": solve.solve,
        **plugins.commands(words),
        "list": list_command.list_plugins,
        "doctor": doctor.doctor,
    }


def _add_command(app: typer.Typer, name: str, command: Callable[..., object] | str) -> None:
    """Add a command, or a line about it where it is not to be imported now."""
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name)
        return
    if not isinstance(command, str):
        app.command(name)(command)
        return
    description = command

    @app.command(
        name, help=description, add_help_option=False, context_settings={"ignore_unknown_options": True}
    )
    def not_loaded(arguments: Annotated[list[str] | None, typer.Argument()] = None) -> None:
        from ttscale.registry import load

        load("commands", name)  # says why it cannot be imported


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ttscale {ttscale.__version__}")
        raise typer.Exit


def _global_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options before the sub-command; `main` reads ``--debug``."""
