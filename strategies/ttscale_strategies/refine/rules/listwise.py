"""List-wise choice: a judge sees all candidates at once and names the best."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ttscale_strategies.checks import require_positive
from ttscale_strategies.refine.rules.json_objects import objects_in

MAX_ANALYSIS_CHARACTERS: Final = 2_000
"""A longer analysis is cut."""

_MAX_DIGITS: Final = 6
_MAX_SHOWN: Final = 40


@dataclass(frozen=True, slots=True)
class ListChoice:
    """Which candidate a judge chose, or what stands in for its choice."""

    index: int
    """From 0."""
    analysis: str = ""
    """What the judge says for it; not trusted."""
    fallback_reason: str | None = None
    """Why the choice could not be read, and the first candidate stands in; ``None``: the judge chose."""


def list_choice(text: str, num_candidates: int, *, base: Literal[0, 1] = 0) -> ListChoice:
    """Return which candidate a judge chose with ``{"index": …, "analysis": …}``.

    Zhu et al. 2025, arXiv:2506.12928 (OAgents). The last object with an index counts; text around it does not.
    An index is a whole number, also in quotes. Ours: without one, or where it names no candidate, the first
    candidate stands in, and the reason is kept (the paper's code leaves the choice undefined).

    Args:
        text: what the judge wrote; hostile texts cost bounded time.
        num_candidates: >= 1.
        base: the number the prompt gave the first candidate.

    Raises:
        ValueError: there are no candidates.
    """
    require_positive(num_candidates, "num_candidates")
    chosen = None
    for found in objects_in(text):
        if "index" in found:
            chosen = found
    if chosen is None:
        return ListChoice(0, fallback_reason="the judge gave no JSON object with an index")
    said = chosen.get("analysis")
    analysis = said[:MAX_ANALYSIS_CHARACTERS] if isinstance(said, str) else ""
    number = _whole(chosen["index"])
    if number is None:
        return ListChoice(0, analysis, f"the judge's index {_shown(chosen['index'])} is no whole number")
    if not 0 <= number - base < num_candidates:
        last = num_candidates - 1 + base
        return ListChoice(
            0, analysis, f"the judge's index {_shown(chosen['index'])} names no candidate from {base} to {last}"
        )
    return ListChoice(number - base, analysis)


def _whole(value: object) -> int | None:
    """Return a JSON value as a whole number, if it is one; true and false are not."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value.is_integer() else None
    if isinstance(value, str) and len(value) <= _MAX_DIGITS and value.isascii() and value.isdigit():
        return int(value)
    return None


def _shown(value: object) -> str:
    """Return a value as a message may quote it: not at length."""
    if isinstance(value, int) and abs(value) >= 10**_MAX_SHOWN:
        return f"of more than {_MAX_SHOWN} digits"
    shown = repr(value[:_MAX_SHOWN]) if isinstance(value, str) else repr(value)
    return shown if len(shown) <= 2 * _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}…"


@dataclass(frozen=True, slots=True)
class StepPicks:
    """A step beam filled by repeated list-wise choice: the judge names the best of those left, again and again.

    arXiv:2506.12928 (OAgents). Ours: once no more are left than places, all are taken, and nothing is asked.

    Raises:
        ValueError: the width is less than 1.
    """

    left: tuple[int, ...]
    """Candidates not chosen yet, in the order in which the judge is shown them."""
    beam_width: int
    """Candidates wanted, >= 1."""
    chosen: tuple[int, ...] = ()
    """Best first."""

    def __post_init__(self) -> None:
        require_positive(self.beam_width, "beam_width")

    @classmethod
    def of(cls, num_candidates: int, beam_width: int) -> StepPicks:
        """Return the state before the first choice.

        Args:
            num_candidates: >= 0.
            beam_width: >= 1; the paper's is 2.
        """
        return cls(tuple(range(num_candidates)), beam_width)

    @property
    def is_settled(self) -> bool:
        """Whether the judge need not be asked any more."""
        return len(self.chosen) >= self.beam_width or len(self.chosen) + len(self.left) <= self.beam_width

    @property
    def beam(self) -> tuple[int, ...]:
        """The candidates of the beam; all of them once it is settled."""
        return (*self.chosen, *self.left)[: self.beam_width] if self.is_settled else self.chosen

    def after(self, place: int) -> StepPicks:
        """Return the state after one more choice.

        Args:
            place: of the candidate among those left, from 0, as in `ListChoice.index`.

        Raises:
            ValueError: there is no such place, or the beam is settled.
        """
        if self.is_settled:
            raise ValueError("the beam is settled, there is nothing left to choose")
        if not 0 <= place < len(self.left):
            raise ValueError(f"place must lie in [0, {len(self.left) - 1}], got {place!r}")
        left = (*self.left[:place], *self.left[place + 1 :])
        return StepPicks(left, self.beam_width, (*self.chosen, self.left[place]))


def list_orders(num_candidates: int, num_orders: int) -> tuple[tuple[int, ...], ...]:
    """Return orders in which a judge is shown all candidates, each candidate at places far apart.

    Ours, so that a judge who favours a place favours nobody: the first order is that of the candidates, the
    others begin further on in it, and every second one goes backwards.

    Args:
        num_candidates: N, >= 1.
        num_orders: >= 1.

    Returns:
        Shape [num_orders, num_candidates].

    Raises:
        ValueError: a number is less than 1.
    """
    require_positive(num_candidates, "num_candidates")
    require_positive(num_orders, "num_orders")
    orders = list[tuple[int, ...]]()
    for number in range(num_orders):
        begin = number * num_candidates // num_orders
        places = (*range(begin, num_candidates), *range(begin))
        orders.append(places if number % 2 == 0 else places[::-1])
    return tuple(orders)


def picked_key(picks: Sequence[str | None], keys: Sequence[str | None]) -> str | None:
    """Return the answer picked most often, of equals that of more candidates, then that of the first.

    Args:
        picks: the answer keys of the candidates that judgements picked; ``None``: nobody.
        keys: of all candidates.

    Returns:
        ``None`` if nobody was picked.
    """
    counts = Counter(key for key in picks if key is not None)
    if not counts:
        return None
    return max(counts, key=lambda key: (counts[key], keys.count(key), -keys.index(key)))
