"""``ttscale pool import`` and ``ttscale pool export``: samples come from files and go into files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttscale.cli.console import echo, echo_json, one_line, quiet_stdout
from ttscale.cli.options import AsJson
from ttscale.errors import ConfigError
from ttscale_evals.commands.pool.options import Pool

if TYPE_CHECKING:
    from ttscale.bank import Columns


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…", show_default=False, help="Banks, exports, or plain .jsonl, .csv, .parquet."
        ),
    ],
    into: Annotated[
        Path, typer.Option("--into", metavar="POOL", show_default=False, help="The bank, made if need be.")
    ],
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="ROLE=FIELD", help="Which field of a plain pool is what."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="Of a plain pool that names none; default the file's."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add the samples of files to a bank: all of them, or on any mistake none."""
    with quiet_stdout():
        num_added, num_held = _import(files, into, _columns(columns or []), model)
    if as_json:
        named = [str(file) for file in files]
        echo_json({"pool": str(into), "files": named, "num_added": num_added, "num_samples": num_held})
    else:
        echo(f"{num_added:,} samples added; {one_line(str(into))} holds {num_held:,}.")


def _columns(words: Sequence[str]) -> Columns:
    """Read ``ROLE=FIELD`` words.

    Raises:
        ConfigError: one is not of this form, a role is named twice, or there is no such role.
    """
    from ttscale.bank import Columns

    names = dict[str, str]()
    for word in words:
        role, equals, field = word.partition("=")
        if not equals or not role.strip() or not field:
            raise ConfigError(f"--column {word!r} is not ROLE=FIELD; write --column length=num_tokens, say.")
        if role.strip() in names:
            raise ConfigError(f"--column names the {role.strip()} twice; leave one out.")
        names[role.strip()] = field
    return Columns.parse(names)


def _import(files: Sequence[Path], into: Path, columns: Columns, model: str | None) -> tuple[int, int]:
    """Return how many samples were added, and how many there are now."""
    from ttscale.bank import bank_to_fill, copy_bank, open_pool

    with bank_to_fill(into) as bank, ExitStack() as stack:
        sources = [stack.enter_context(open_pool(file, columns=columns, model=model)) for file in files]
        before = bank.num_samples()
        with bank.writing():  # only now: nobody else can write meanwhile
            for source in sources:
                copy_bank(source, bank)
        held = bank.num_samples()
    return held - before, held


def export(
    pool: Pool,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", show_default=False, help=".jsonl, .jsonl.gz or .parquet.")
    ],
    as_json: AsJson = False,
) -> None:
    """Write a bank to one file that holds everything, replaced if it is there."""
    from ttscale.bank import export_pool, open_pool

    with quiet_stdout(), open_pool(pool) as bank:
        count = export_pool(bank, file)
    if as_json:
        echo_json({"pool": str(pool), "file": str(file), "num_samples": count})
    else:
        echo(f"{count:,} samples written to {one_line(str(file))}.")
