"""What tokens cost: forward FLOPs, bytes moved and US dollars, pure functions of counts and a model's profile.

FLOPs follow the usual forward-pass estimate (Kaplan et al. 2020, arXiv:2001.08361, table 1): 2 per parameter
and token, plus attention's score and value products, 4 · layers · heads · head size per token and position
attended to. Bytes moved follow the roofline view of decoding (Pope et al. 2022, arXiv:2211.05102): weights are
read once a step for the whole batch, each sequence's key-value cache once for each of its tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from ttscale.errors import ConfigError
from ttscale.types import Usage

if TYPE_CHECKING:
    from ttscale.backends.base import ModelProfile


def positions_attended(context: int, new_tokens: int) -> int:
    """Return how many positions `new_tokens` tokens attend to after `context` others, themselves included.

    The i-th new token (from 1) attends to ``context + i`` positions.
    """
    return new_tokens * context + new_tokens * (new_tokens + 1) // 2


def forward_flops(profile: ModelProfile, *, context: int, new_tokens: int) -> float | None:
    """Return the FLOPs of running `new_tokens` through the model after `context` cached ones.

    Attention is left out where the geometry is unknown; without a parameter count the answer is ``None``.
    """
    if profile.num_parameters is None:
        return None
    linear = 2.0 * profile.num_parameters * new_tokens
    if profile.num_layers is None or profile.num_heads is None or profile.head_dim is None:
        return linear
    width = profile.num_layers * profile.num_heads * profile.head_dim
    return linear + 4.0 * width * positions_attended(context, new_tokens)


def decode_bytes(profile: ModelProfile, *, context: int, new_tokens: int, batch: int = 1) -> float | None:
    """Return the bytes moved to decode `new_tokens` one by one after `context` others.

    Args:
        profile: the model.
        context: tokens already in the cache.
        new_tokens: tokens decoded.
        batch: sequences that share each reading of the weights, >= 1.
    """
    if profile.num_parameters is None or profile.bytes_per_parameter is None:
        return None
    weights = profile.num_parameters * profile.bytes_per_parameter * new_tokens / batch
    return weights + (profile.kv_bytes_per_token or 0.0) * positions_attended(context, new_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars per million tokens, each >= 0."""

    prompt: Annotated[float, Field(ge=0)]
    generated: Annotated[float, Field(ge=0)]
    prompt_cached: Annotated[float, Field(ge=0)] | None = None
    """``None``: cached prompt tokens cost as much as computed ones."""

    def usd(self, *, prompt_computed: int, prompt_cached: int, generated: int) -> float:
        """Return the price of these tokens in US dollars."""
        cached = self.prompt if self.prompt_cached is None else self.prompt_cached
        total = prompt_computed * self.prompt + prompt_cached * cached + generated * self.generated
        return total / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """Prices by model name, as of a date."""

    date: str
    models: Mapping[str, Price]

    @classmethod
    def read(cls, path: Path) -> PriceTable:
        """Read a YAML file with `date` and `models`.

        Raises:
            ConfigError: it is missing or not of that form.
        """
        where = f"the price file {str(path)!r}"
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{where} cannot be read: {error.strerror}; check the path.") from error
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"{where} is not YAML: {' '.join(str(error).split())}.") from error
        if isinstance(document, dict) and isinstance(document.get("date"), date):
            document = {**document, "date": document["date"].isoformat()}  # as YAML reads a date without quotes
        try:
            return TypeAdapter(cls).validate_python(document)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"])) or "it"
            form = "write `date: 2026-11-01` and `models: {NAME: {prompt: 0.5, generated: 1.5}}`"
            raise ConfigError(f"{where}: {key} is wrong ({first['msg'].lower()}); {form}.") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class CostModel:
    """Turns token counts of one model into a `Usage` with FLOPs and dollars."""

    profile: ModelProfile
    price: Price | None = None

    def flops(self, *, prompt_computed: int, prompt_cached: int, generated: int) -> float | None:
        """Return the forward FLOPs of one sample: its computed prompt and its decoded tokens."""
        return forward_flops(self.profile, context=prompt_cached, new_tokens=prompt_computed + generated)

    def usd(self, *, prompt_computed: int, prompt_cached: int, generated: int) -> float | None:
        """Return the dollars of one sample, ``None`` without a price."""
        if self.price is None:
            return None
        return self.price.usd(prompt_computed=prompt_computed, prompt_cached=prompt_cached, generated=generated)

    def priced(self, usage: Usage, *, prompt_computed: int, prompt_cached: int, generated: int) -> Usage:
        """Return `usage` with the FLOPs and dollars of these tokens filled in."""
        counts = {"prompt_computed": prompt_computed, "prompt_cached": prompt_cached, "generated": generated}
        return replace(usage, flops=self.flops(**counts), usd=self.usd(**counts))
