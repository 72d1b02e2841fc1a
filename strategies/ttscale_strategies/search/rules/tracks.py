"""Tracks side by side (SSR): whose answer counts, and when the others need not go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ttscale_strategies.checks import require_at_least

FastMode = Literal["first", "agree"]
"""What ends all tracks: one has an answer (SSR's Fast-1), or two have the same (Fast-2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedTrack:
    """A track that has come to an answer.

    Raises:
        ValueError: a number is out of its range.
    """

    index: int
    """Its place among all tracks, from 0."""
    key: str
    """Of its answer."""
    num_rounds: int
    """Steps until it had it, >= 1."""
    mean_grade: float
    """Of its steps, in [0, 9]."""
    num_tokens: int
    """Of its steps as they stand."""

    def __post_init__(self) -> None:
        require_at_least(self.num_rounds, 1, "num_rounds")
        require_at_least(self.mean_grade, 0.0, "mean_grade")
        require_at_least(self.num_tokens, 0, "num_tokens")


def elected_track(tracks: Sequence[FinishedTrack]) -> FinishedTrack | None:
    """Return the track whose answer counts; ``None`` if there is none.

    Chu et al. 2025 (SSR, arXiv:2505.15340): where more tracks, and more than one, have one answer than have
    any other, the longest of them; else the track with the highest mean grade among all, even if its answer
    has fewer votes than others. Ties go to the lower index.

    Args:
        tracks: those with an answer, in any order.
    """
    counts = Counter(track.key for track in tracks)
    leading = [key for key, count in counts.items() if count == max(counts.values())]
    if len(leading) == 1 and counts[leading[0]] > 1:
        return _longest([track for track in tracks if track.key == leading[0]])
    return min(tracks, key=lambda track: (-track.mean_grade, track.index), default=None)


def elected_fast(tracks: Sequence[FinishedTrack]) -> FinishedTrack | None:
    """Return the track whose answer counts where a fast mode ended them: no grades are asked.

    arXiv:2505.15340, as in the authors' code: if any answer occurs more than once the most frequent one, else
    that of the longest track. Ties among answers go to the one whose first track has the lower index.

    Args:
        tracks: those with an answer, in any order.
    """
    ordered = sorted(tracks, key=lambda track: track.index)
    counts = Counter(track.key for track in ordered)
    if not counts:
        return None
    key = max(counts, key=counts.__getitem__)  # the first of equals
    return _longest(ordered if counts[key] == 1 else [track for track in ordered if track.key == key])


def _longest(tracks: Sequence[FinishedTrack]) -> FinishedTrack:
    return min(tracks, key=lambda track: (-track.num_tokens, track.index))


def is_election_decided(tracks: Sequence[FinishedTrack], num_open: int) -> bool:
    """Return whether no outcome of the open tracks can change the answer that `elected_track` elects.

    That is so once more than one track have an answer, and the others could not even draw level if all open
    tracks came to the same one.

    Args:
        tracks: those with an answer.
        num_open: tracks that still run, >= 0.
    """
    if num_open == 0:
        return True
    counts = [count for _, count in Counter(track.key for track in tracks).most_common()]
    leader, second, *_ = (*counts, 0, 0)
    return leader > 1 and second + num_open < leader


def last_round(tracks: Sequence[FinishedTrack], mode: FastMode) -> int | None:
    """Return after how many rounds all tracks end, as far as is known; ``None`` while nothing ends them.

    The authors' code goes on with all tracks round by round, and looks before each round whether to stop.
    Here no track waits for another: what it would have seen follows from how many steps each has. The number
    never grows as more tracks finish, so a track that has so many steps is not needed any more; those behind
    may still lower it, and once all have ended or have so many steps, the answers of the tracks with at most
    so many count. None of this depends on which track is quicker.

    Args:
        tracks: those with an answer.
        mode: see `FastMode`.
    """
    rounds = dict[str, list[int]]()
    for track in tracks:
        rounds.setdefault(track.key if mode == "agree" else "", []).append(track.num_rounds)
    needed = 2 if mode == "agree" else 1
    return min((sorted(found)[needed - 1] for found in rounds.values() if len(found) >= needed), default=None)
