"""Whether a stage of a cascade is sure enough of its answer, and when that is known of a plain vote."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ttscale.types import Outcome
from ttscale_strategies.voting.rules import adaptive_consistency, is_vote_decided, majority

GateMeasure: TypeAlias = Literal["confidence", "beta", "dirichlet", "entropy"]
"""What is held against the threshold: a stage's confidence, or a criterion of Adaptive-Consistency."""

DEFAULT_CONFIDENCE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Gate:
    """How sure a stage must be.

    Raises:
        ValueError: the threshold is not in [0, 1].
    """

    measure: GateMeasure
    threshold: float | None = None
    """In [0, 1]; ``None``: `DEFAULT_CONFIDENCE`, or the criterion's own."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.least <= 1.0:
            raise ValueError(f"threshold must lie in [0, 1], got {self.threshold!r}")

    @property
    def least(self) -> float:
        """The least confidence that is enough."""
        return DEFAULT_CONFIDENCE if self.threshold is None else self.threshold

    def is_passed(self, outcome: Outcome) -> bool:
        """Return whether a stage is sure enough; one that was cut short or failed is not.

        A criterion must be met by a beginning of the candidates' answers, for the answer that the stage gives.
        """
        if outcome.answer is None or outcome.stop_reason in ("budget", "error"):
            return False
        if self.measure == "confidence":
            return outcome.confidence is not None and outcome.confidence >= self.least
        keys = [candidate.key for candidate in outcome.candidates]
        stopped = adaptive_consistency(keys, self.measure, threshold=self.threshold)
        return stopped.is_early and stopped.key == outcome.key


def is_share_decided(
    votes: Mapping[int, str | None], running: Set[int], least: float, *, gives_up: bool = True
) -> bool:
    """Return whether no outcome of the running samples can change what a vote says about a share.

    It says either that the winner has at least that share of all samples, and who that is; or that nobody can
    have it any more. Samples without an answer vote for nobody, and count among all.

    Args:
        votes: key by sample index, of the samples that have ended.
        running: indices of the samples that have not.
        least: the share, in [0, 1].
        gives_up: whether to stop when nobody can have it; else the votes are counted to the end.
    """
    num_samples = len(votes) + len(running)
    leader = majority([votes[index] for index in sorted(votes)])
    num_votes = leader.votes if leader else 0
    if (num_votes + len(running)) / num_samples < least:
        return gives_up or not running
    return num_votes / num_samples >= least and is_vote_decided(votes, running)
