"""A model's own tokenizer on our side of the wire, where the user names one."""

from __future__ import annotations

from typing import cast

from ttscale.backends.vocabulary import Tokenizer, Vocabulary
from ttscale.errors import ConfigError, MissingExtra


def load_vocabulary(name: str) -> Vocabulary:
    """Load a tokenizer by its name on the hub or its directory; takes seconds, and blocks.

    Raises:
        MissingExtra: transformers is not installed.
        ConfigError: there is no such tokenizer.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingExtra("transformers", "hf") from error
    try:
        tokenizer = cast("Tokenizer", AutoTokenizer.from_pretrained(name))
    except Exception as error:  # files, networks and configurations fail in many ways
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"the tokenizer {name!r} cannot be loaded ({reason}); check tokenizer=.") from error
    return Vocabulary(tokenizer, name)
