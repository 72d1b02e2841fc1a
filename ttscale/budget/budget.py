"""What a run may spend."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Self

from ttscale.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits on what a run spends; ``None`` is no limit. Any subset may be given.

    Tokens are computed prompt tokens and generated ones, verifiers' and cancelled ones included.
    """

    samples: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    flops: float | None = None
    usd: float | None = None
    tool_calls: int | None = None

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if value is not None and not value >= 0:
                raise ConfigError(
                    f"the budget's {f.name} must not be negative, got {value!r}; leave it out for no limit."
                )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``tokens=8_000,seconds=20``.

        Raises:
            ConfigError: a part is not ``quantity=number`` or the quantity is unknown.
        """
        known = {f.name: f.type for f in fields(cls)}
        values: dict[str, float] = {}
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            name, equals, number = (piece.strip() for piece in part.partition("="))
            if name not in known or not equals:
                raise ConfigError(
                    f"{part!r} is no budget; write QUANTITY=NUMBER with one of {', '.join(known)}."
                )
            values[name] = _number(name, number, whole="int" in str(known[name]))
        return cls(**values)  # type: ignore[arg-type]  # whole quantities were read as int


def _number(name: str, text: str, *, whole: bool) -> float:
    if whole and re.fullmatch(r"\d[\d_]*", text):
        return int(text)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value != value or (whole and value != int(value)):
        raise ConfigError(f"the budget's {name} must be a {'whole ' if whole else ''}number, got {text!r}.")
    return int(value) if whole else value
