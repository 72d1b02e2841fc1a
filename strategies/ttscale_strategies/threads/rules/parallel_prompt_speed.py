"""What it gains to run a prompt's instances at once, under PARALLELPROMPT's names (arXiv:2506.18728)."""

from __future__ import annotations

from dataclasses import dataclass

from ttscale_strategies.checks import require_at_least


@dataclass(frozen=True, slots=True)
class Timed:
    """How long something took, and how much text it made.

    Raises:
        ValueError: a number is not > 0, or not finite.
    """

    seconds: float
    tokens: int
    """Generated, of all instances together."""

    def __post_init__(self) -> None:
        for name, value in (("seconds", self.seconds), ("tokens", self.tokens)):
            require_at_least(value, 0, name)
            if value == 0:
                raise ValueError(f"{name} must be > 0, got {value!r}")

    @property
    def seconds_per_token(self) -> float:
        """Seconds over tokens."""
        return self.seconds / self.tokens


def raw_speed_up(serial: Timed, parallel: Timed) -> float:
    """Return the seconds of the whole prompt at once, over those of its instances.

    Which may owe to the instances' having less to say: see `normalized_speed_up`. 9 s against 3 s: 3.
    """
    return serial.seconds / parallel.seconds


def normalized_speed_up(serial: Timed, parallel: Timed) -> float:
    """Return the same for seconds a token: (T_s / tokens_s) / (T_p / Σ tokens_p).

    9 s for 90 tokens against 3 s for 60: 0.1 over 0.05, that is 2.
    """
    return serial.seconds_per_token / parallel.seconds_per_token


def end_to_end(parallel: Timed, extraction_seconds: float) -> Timed:
    """Return what the instances took with the search for a schema before them, which makes no text of the
    answer.

    `raw_speed_up` and `normalized_speed_up` of it are the paper's E2E.

    Args:
        parallel: the instances.
        extraction_seconds: of the search, >= 0; by rules about 0.

    Raises:
        ValueError: the seconds are negative or not finite.
    """
    require_at_least(extraction_seconds, 0.0, "extraction_seconds")
    return Timed(parallel.seconds + extraction_seconds, parallel.tokens)
