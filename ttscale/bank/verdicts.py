"""What is to be said of samples that were graded before they were imported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ttscale.bank.sample import RecordedSample


@dataclass(slots=True)
class Verdicts:
    """How the samples of a log or plain pool were graded where they are from."""

    num_right: int = 0
    num_wrong: int = 0
    num_between: int = 0
    """With a score that is neither 0 nor 1."""
    num_ungraded: int = 0
    num_failed: int = 0
    """That ended in an error; they count as well in one of the others."""
    num_estimated: int = 0
    """Whose tokens nobody counted."""

    def add(self, sample: RecordedSample, *, is_estimated: bool) -> None:
        """Count a sample.

        Args:
            sample: as the bank keeps it.
            is_estimated: whether nobody counted its tokens.
        """
        if sample.grade is None:
            self.num_ungraded += 1
        elif sample.grade in (0.0, 1.0):
            self.num_right += sample.grade == 1
            self.num_wrong += sample.grade == 0
        else:
            self.num_between += 1
        self.num_failed += sample.head.error is not None
        self.num_estimated += is_estimated

    def notes(self) -> Iterable[str]:
        """Yield what whoever imports them should know."""
        counts = {
            "right": self.num_right,
            "wrong": self.num_wrong,
            "in between": self.num_between,
            "not graded": self.num_ungraded,
        }
        if self.num_right + self.num_wrong + self.num_between:
            shown = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
            yield f"own grades, kept beside the samples: {shown}"
        if self.num_failed:
            yield f"samples that failed, and are kept as failed: {self.num_failed:,}"
        if self.num_estimated:
            yield (
                f"samples of which nobody counted the tokens: {self.num_estimated:,}; one for every four bytes "
                f"of text is taken"
            )
