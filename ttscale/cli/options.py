"""Options that mean the same in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

MODEL_HELP: Final = "abacus, hf:MODEL, vllm:MODEL, openai:MODEL@BASE_URL, replay:FILE, or a YAML file."

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

Prices: TypeAlias = Annotated[
    Path | None,
    typer.Option("--prices", metavar="FILE", help="A YAML file of dollars per million tokens."),
]

Record: TypeAlias = Annotated[
    Path | None,
    typer.Option("--record", metavar="POOL", help="Keep every sample in this bank, made if need be."),
]

Reuse: TypeAlias = Annotated[
    bool, typer.Option("--reuse", help="Take what the bank of --record holds from there, draw the rest.")
]
