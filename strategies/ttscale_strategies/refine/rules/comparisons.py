"""Comparisons of two candidates by a judge: in which order it sees them, what it says, and who is ahead."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ttscale_strategies.checks import require_at_least, require_share

Side = Literal[0, 1]
"""Of a meeting: 0 its first candidate, 1 its second."""

MAX_VERDICT_CHARACTERS: Final = 20_000
"""Of a longer text of a judge only the end is read."""

_WINNER: Final = re.compile(r"<winner>\s{0,20}solution\s{0,20}([12])\s{0,20}</winner>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Tally:
    """What the comparisons of one meeting have come to so far.

    Raises:
        ValueError: a count is negative.
    """

    first: int = 0
    """Comparisons that named the first candidate."""
    second: int = 0
    """Comparisons that named the second."""
    void: int = 0
    """Comparisons that named neither: the judge failed, or spoke nonsense."""

    def __post_init__(self) -> None:
        require_at_least(self.first, 0, "first")
        require_at_least(self.second, 0, "second")
        require_at_least(self.void, 0, "void")

    @property
    def num_comparisons(self) -> int:
        """How many comparisons there were."""
        return self.first + self.second + self.void

    def plus(self, side: Side | None) -> Tally:
        """Return the tally with one more comparison.

        Args:
            side: whom it named; ``None``: nobody.
        """
        return Tally(self.first + (side == 0), self.second + (side == 1), self.void + (side is None))


def shown_swapped(num_comparisons: int) -> tuple[bool, ...]:
    """Return for each comparison of a meeting whether the judge sees the second candidate first.

    Chen et al. 2024, arXiv:2411.19477: of K comparisons K // 2 are shown in order and the other K - K // 2
    swapped, so that a judge who prefers a place prefers nobody. Ours: they alternate, so that little is lost
    where the last ones are no longer needed.

    Args:
        num_comparisons: K, >= 1; with an odd one, one more is swapped.

    Raises:
        ValueError: it is less than 1.
    """
    require_at_least(num_comparisons, 1, "num_comparisons")
    return tuple((number + num_comparisons) % 2 == 1 for number in range(num_comparisons))


def named_winner(text: str, *, is_swapped: bool = False) -> Side | None:
    """Return whom a judge names in ``<winner>Solution 1</winner>``, ``None`` where it names nobody.

    arXiv:2411.19477, whose comparisons without a readable verdict give no point either. Ours: a judge that
    names both names nobody. Takes time linear in `MAX_VERDICT_CHARACTERS`, whatever the text.

    Args:
        text: what the judge wrote.
        is_swapped: whether it saw the second candidate as Solution 1.
    """
    named = {match.group(1) for match in _WINNER.finditer(text[-MAX_VERDICT_CHARACTERS:])}
    if len(named) != 1:
        return None
    return 0 if (named == {"1"}) != is_swapped else 1


def meeting_winner(tally: Tally, num_comparisons: int, *, seed: int) -> Side | None:
    """Return who wins a meeting, as soon as that is certain; ``None`` before.

    arXiv:2411.19477: the candidate with more points wins. It is certain once the lead is greater than the
    number of comparisons still to come, so that whoever asks while comparisons run learns the same winner as
    one who waits for all of them, in whatever order they end.

    Args:
        tally: so far.
        num_comparisons: K, >= 1.
        seed: breaks a tie of points, by a fair coin (ours; the paper's coin has no seed).

    Raises:
        ValueError: there were more than K comparisons, or K is less than 1.
    """
    require_at_least(num_comparisons, 1, "num_comparisons")
    num_left = num_comparisons - tally.num_comparisons
    if num_left < 0:
        raise ValueError(f"{tally.num_comparisons} comparisons are too many for a meeting of {num_comparisons}")
    lead = tally.first - tally.second
    if abs(lead) > num_left:
        return 0 if lead > 0 else 1
    if num_left:
        return None
    return 0 if random.Random(seed).random() < 0.5 else 1


def agreed(candidates: Sequence[int], keys: Mapping[int, str | None]) -> bool | None:
    """Return whether candidates have one answer in common, ``None`` where that is not known yet.

    It is known as soon as two differ, or all are there. No answer is an answer of its own here.

    Args:
        candidates: their numbers.
        keys: the answer keys of those that exist.
    """
    known = {keys[candidate] for candidate in candidates if candidate in keys}
    if len(known) > 1:
        return False
    return True if all(candidate in keys for candidate in candidates) else None


def label_votes(p_first: float, num_comparisons: int) -> tuple[Side | None, ...]:
    """Return how comparisons come out on average, if each names the first candidate with this probability.

    Ours, for judges that say a label whose probability is known: one reply tells as much as many draws. Both
    sides' shares are rounded to the nearest whole number, and a half counts for neither.

    Args:
        p_first: in [0, 1].
        num_comparisons: >= 1.

    Returns:
        Shape [num_comparisons]; ``None`` names nobody.

    Raises:
        ValueError: a number is out of its range.
    """
    require_at_least(num_comparisons, 1, "num_comparisons")
    require_share(p_first, "p_first")
    first = math.ceil(num_comparisons * p_first - 0.5)
    second = math.ceil(num_comparisons * (1.0 - p_first) - 0.5)
    counts: Sequence[tuple[Side | None, int]] = (
        (0, first),
        (1, second),
        (None, num_comparisons - first - second),
    )
    return tuple(side for side, count in counts for _ in range(count))
