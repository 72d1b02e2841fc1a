"""Options that mean the same in every command."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import typer

MODEL_HELP: Final = "abacus, hf:MODEL, vllm:MODEL, openai:MODEL@BASE_URL, or a YAML file."

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
