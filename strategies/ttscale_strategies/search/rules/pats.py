"""PATS: how many candidates the next step gets, by how good the last one was."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ttscale_strategies.checks import require_share

Mode = Literal["complex", "medium", "simple"]
"""How much a step is thought about."""
NUM_CANDIDATES: dict[Mode, int] = {"complex": 8, "medium": 4, "simple": 2}
"""Of a step in each mode, from the hardest to the easiest."""
_SIMPLER: dict[Mode, Mode] = {"complex": "medium", "medium": "simple", "simple": "simple"}


@dataclass(frozen=True, slots=True)
class ModeSwitching:
    """PATS's options; the defaults are the paper's (Wang et al. 2025, arXiv:2505.19250).

    Raises:
        ValueError: a number is out of its range, or the thresholds are not in order.
    """

    simpler_from: float = 0.85
    """A reward of so much or more makes the next step one mode simpler."""
    complex_below: float = 0.75
    """A reward below makes the next step complex."""
    bad_below: float = 0.40
    """A step with a reward below is rejected."""
    penalty_times: int | None = 1
    """Rejections in a row before a bad step is accepted, >= 0; ``None``: without limit."""
    only: Mode | None = None
    """A mode never left: ``"simple"`` is the paper's ablation all-fast, ``"complex"`` all-slow."""

    def __post_init__(self) -> None:
        require_share(self.simpler_from, "simpler_from")
        require_share(self.complex_below, "complex_below")
        require_share(self.bad_below, "bad_below")
        if not self.bad_below <= self.complex_below <= self.simpler_from:
            raise ValueError(
                f"bad_below <= complex_below <= simpler_from must hold, got {self.bad_below!r}, "
                f"{self.complex_below!r}, {self.simpler_from!r}"
            )
        if self.penalty_times is not None and self.penalty_times < 0:
            raise ValueError(f"penalty_times must be >= 0 or None, got {self.penalty_times!r}")

    def start(self, mode: Mode = "complex") -> Thinking:
        """Return the state before the first step.

        Args:
            mode: of the first step, unless there is `only` one.
        """
        return Thinking(self.only or mode)


@dataclass(frozen=True, slots=True)
class Thinking:
    """Where a solution stands before its next round of candidates."""

    mode: Mode = "complex"
    num_rejected: int = 0
    """Rejections since the last accepted step."""
    num_rounds: int = 0
    """Rounds of candidates so far, accepted, rejected or without a usable one; the paper allows 35."""

    @property
    def num_candidates(self) -> int:
        """How many the next round draws: 8, 4 or 2."""
        return NUM_CANDIDATES[self.mode]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a round of candidates."""

    is_accepted: bool
    """Whether the best candidate is the next step; else the round is drawn anew."""
    state: Thinking
    """Before the next round."""


def next_mode(mode: Mode, reward: float, switching: ModeSwitching | None = None) -> Mode:
    """Return the mode of the step after an accepted one.

    arXiv:2505.19250: one mode simpler from .85 on, complex below .75, else the same.

    Args:
        mode: of the accepted step.
        reward: of the accepted step, in [0, 1].
        switching: the thresholds; without, the paper's.

    Raises:
        ValueError: the reward lies outside [0, 1].
    """
    require_share(reward, "reward")
    options = switching or ModeSwitching()
    if options.only is not None:
        return options.only
    if reward >= options.simpler_from:
        return _SIMPLER[mode]
    return "complex" if reward < options.complex_below else mode


def judged_step(state: Thinking, reward: float | None, switching: ModeSwitching | None = None) -> Verdict:
    """Return whether the best candidate of a round becomes the next step, and the state after it.

    arXiv:2505.19250: a reward below .40 has the round drawn again in complex mode, once; the second bad one in
    a row is accepted. An accepted step, also a bad one, resets the count of rejections. Every round counts.

    Args:
        state: before the round.
        reward: of the best candidate, in [0, 1]; ``None`` if none was usable or the verifier failed, which
            burns the round (the paper's code takes a verifier's failure for the reward 0).
        switching: the options; without, the paper's.

    Raises:
        ValueError: the reward lies outside [0, 1].
    """
    options = switching or ModeSwitching()
    after = replace(state, num_rounds=state.num_rounds + 1)
    if reward is None:
        return Verdict(is_accepted=False, state=after)
    require_share(reward, "reward")
    allowed = math.inf if options.penalty_times is None else options.penalty_times
    if reward < options.bad_below and state.num_rejected < allowed:
        redo = replace(after, mode=options.only or "complex", num_rejected=state.num_rejected + 1)
        return Verdict(is_accepted=False, state=redo)
    accepted = replace(after, mode=next_mode(state.mode, reward, options), num_rejected=0)
    return Verdict(is_accepted=True, state=accepted)


def usable_candidates(candidates: Sequence[str], accepted: Collection[str]) -> tuple[int, ...]:
    """Return the indices of the candidates worth a score: neither seen in this round nor a step already.

    arXiv:2505.19250. Texts are compared without the white space around them; an empty one is of no use.

    Args:
        candidates: texts of the round, in order of their index.
        accepted: the solution's steps so far.
    """
    seen = {step.strip() for step in accepted} | {""}
    usable: list[int] = []
    for index, candidate in enumerate(candidates):
        if (text := candidate.strip()) not in seen:
            seen.add(text)
            usable.append(index)
    return tuple(usable)
