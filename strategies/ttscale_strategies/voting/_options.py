"""What the options of several strategies have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ttscale.types import Sampling
from ttscale_strategies.checks import require_positive


@dataclass(frozen=True, kw_only=True)
class DrawOptions:
    """The options of every strategy that draws up to `n` samples of the problem's prompt."""

    n: int = 16
    """Most samples, >= 1."""
    temperature: float | None = None
    """``None``: the model's own."""
    max_tokens: int | None = None
    """Most generated tokens per sample; ``None``: what the context leaves."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        require_positive(self.n, "n")
        self.sampling()

    def max_samples(self) -> int:
        """Return n."""
        return self.n

    def sampling(self, *, logprobs: int | None = None) -> Sampling:
        """Return how tokens are drawn.

        Args:
            logprobs: see `Sampling`.
        """
        return Sampling(temperature=self.temperature, max_tokens=self.max_tokens, logprobs=logprobs)
