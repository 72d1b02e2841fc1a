"""What the page holds in bulk: texts by number, rounded numbers, compressed JSON."""

from __future__ import annotations

import base64
import gzip
import json
import math
from dataclasses import dataclass, field

from ttscale.types import JSON


@dataclass(slots=True)
class Strings:
    """Texts with a number each."""

    all: list[str] = field(default_factory=list[str])
    numbers: dict[str, int] = field(default_factory=dict[str, int])

    def __call__(self, text: str | None) -> int:
        """Return the text's number; -1: there is none."""
        if text is None:
            return -1
        number = self.numbers.setdefault(text, len(self.all))
        if number == len(self.all):
            self.all.append(text)
        return number


def rounded(value: float | None) -> float | None:
    """Return a number to five digits; ``None`` for one that is not finite."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.5g}")


def squeezed(document: JSON) -> str:
    """Return JSON, compressed with gzip and written in base64: one line, safe inside a script element."""
    written = json.dumps(document, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(gzip.compress(written.encode(), compresslevel=6, mtime=0)).decode()
