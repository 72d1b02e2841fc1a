"""The commands of ``ttscale pool`` in one; importing it is quick."""

from __future__ import annotations

import typer

from ttscale_evals.commands.pool.curves import curves
from ttscale_evals.commands.pool.exports import export, import_
from ttscale_evals.commands.pool.record import record
from ttscale_evals.commands.pool.replay import replay
from ttscale_evals.commands.pool.show import show

app = typer.Typer(
    help="Record samples, look at them, import, export and replay them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("record")(record)
app.command("show")(show)
app.command("import")(import_)
app.command("export")(export)
app.command("replay")(replay)
app.command("curves")(curves)
