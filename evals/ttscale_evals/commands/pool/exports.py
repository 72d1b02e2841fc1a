"""``ttscale pool import`` and ``ttscale pool export``: samples come from files and go into files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttscale.cli.console import echo, echo_json, note, one_line, quiet_stdout
from ttscale.cli.options import AsJson
from ttscale.errors import ConfigError
from ttscale_evals.commands.pool.options import Pool, named_columns

if TYPE_CHECKING:
    from ttscale.bank import Columns


class Form(StrEnum):
    """In which form samples are exported."""

    TTSCALE = "ttscale"
    LM_EVAL = "lm-eval"


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…",
            show_default=False,
            help="Banks, exports, logs of Inspect, lm-eval and tau2, or plain .jsonl, .csv, .parquet.",
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
    """Add the samples of files to a bank: all of them, or on any mistake none.

    Of a log, --column prediction=NAME is the scorer or filter whose answers count.
    """
    with quiet_stdout():
        num_added, num_held = _import(files, into, _columns(columns or []), model)
    if as_json:
        named = [str(file) for file in files]
        echo_json({"pool": str(into), "files": named, "num_added": num_added, "num_samples": num_held})
    else:
        echo(f"{num_added:,} samples added; {one_line(str(into))} holds {num_held:,}.")


def _columns(words: Sequence[str]) -> Columns:
    """Read ``ROLE=FIELD`` words; errors as `named_columns`, or there is no such role."""
    from ttscale.bank import Columns

    return Columns.parse(named_columns(words))


def _import(files: Sequence[Path], into: Path, columns: Columns, model: str | None) -> tuple[int, int]:
    """Return how many samples were added, and how many there are now; notes go to standard error."""
    from ttscale.bank import Bank, bank_to_fill, copy_bank, open_pool

    notes = list[str]()
    with bank_to_fill(into) as bank, ExitStack() as stack:
        sources = list[Bank]()
        for file in files:
            listener = _Named(one_line(str(file), max_chars=120), notes)
            opened = open_pool(file, columns=columns, model=model, listener=listener)
            sources.append(stack.enter_context(opened))
        before = bank.num_samples()
        with bank.writing():  # only now: nobody else can write meanwhile
            for source in sources:
                copy_bank(source, bank)
        held = bank.num_samples()
    for text in notes:  # only now: nothing is said of what was not imported
        note(text)
    return held - before, held


@dataclass(frozen=True, slots=True)
class _Named:
    """Collects what a file says that a bank cannot keep."""

    name: str
    notes: list[str]

    def __call__(self, text: str) -> None:
        self.notes.append(f"{self.name}: {text}")


def export(
    pool: Pool,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", show_default=False, help=".jsonl, .jsonl.gz or .parquet.")
    ],
    form: Annotated[
        Form,
        typer.Option("--format", help="Our own, which holds everything, or lines as lm-evaluation-harness's."),
    ] = Form.TTSCALE,
    recorded: Annotated[
        str | None, typer.Option("--recorded", metavar="MODEL", help="With lm-eval: whose, if several models'.")
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option("--benchmark", "-b", metavar="NAME", help="With lm-eval: if several."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a bank to one file, replaced if it is there."""
    if form is Form.TTSCALE and (recorded is not None or benchmark is not None):
        raise ConfigError(
            "--recorded and --benchmark choose what goes into an lm-eval file, and our own form holds "
            "everything; add --format lm-eval, or leave them out."
        )
    with quiet_stdout():
        count = _export(pool, file, form, recorded, benchmark)
    if as_json:
        echo_json({"pool": str(pool), "file": str(file), "num_samples": count})
    else:
        echo(f"{count:,} samples written to {one_line(str(file))}.")


def _export(pool: Path, file: Path, form: Form, recorded: str | None, benchmark: str | None) -> int:
    """Return how many samples were written."""
    from ttscale.bank import export_pool, open_pool

    with open_pool(pool) as bank:
        if form is Form.TTSCALE:
            return export_pool(bank, file)
        from ttscale.backends.replay import choose_model
        from ttscale.bank.logs import export_lm_eval

        model = choose_model(bank.models(), recorded, pool=str(pool))
        return export_lm_eval(bank, file, recorded=model, benchmark=benchmark)
