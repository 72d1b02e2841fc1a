"""Urgency: which of the questions with deadlines goes first, by how much work still lies before it.

After HexGen-Text2SQL (arXiv:2505.05286). A question that is answered in stages is wanted within a time of its
own, its service-level objective (SLO). What is left of it is shared out among the stages to come in proportion
to their estimated seconds, which gives the stage at hand an objective; the less of that is left for it, the
more urgent it is. Whoever is most urgent goes first; what runs is not interrupted. Nobody is turned away: who
is late already is more urgent than all that are not.

While two stages wait, the urgency of both grows by a second in a second: their order never changes. It is the
order of the times at which they must begin (`Workflow.start_by`), and that is what the scheduler keeps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

PATIENCE_SECONDS = 60.0
"""Within which a sample begins that says no deadline, as far as those that say one are concerned."""


def stage_objective(
    slo_seconds: float, elapsed_seconds: float, stage_seconds: float, later_seconds: Sequence[float] = ()
) -> float:
    """Return the objective of a stage: (SLO − elapsed) · t_i / (t_i + Σ_{j>i} t_j).

    An SLO of 60 s of which 10 s are gone, with a stage of 5 s and 15 s of later ones, leaves it 12.5 s.

    Args:
        slo_seconds: within which all stages are wanted, from the beginning of the first, > 0.
        elapsed_seconds: since then, >= 0.
        stage_seconds: the estimate t_i of the stage, > 0.
        later_seconds: those of the stages after it, each > 0.

    Returns:
        Seconds; below 0 once the SLO has passed.

    Raises:
        ValueError: a number is out of its range.
    """
    _require(slo_seconds > 0, "slo_seconds", slo_seconds, "> 0")
    _require(elapsed_seconds >= 0, "elapsed_seconds", elapsed_seconds, ">= 0")
    for value in (stage_seconds, *later_seconds):
        _require(value > 0, "the estimate of a stage", value, "> 0")
    return (slo_seconds - elapsed_seconds) * stage_seconds / (stage_seconds + math.fsum(later_seconds))


def urgency(stage_seconds: float, objective_seconds: float, waited_seconds: float) -> float:
    """Return how urgent a waiting stage is: U = t_i − (SLO_i − w); the greatest goes first.

    A stage of 5 s with an objective of 12.5 s that has waited for 2 s has −5.5 s; above 0 it is late for sure.

    Args:
        stage_seconds: its estimate t_i, > 0.
        objective_seconds: its objective when it began to wait, see `stage_objective`.
        waited_seconds: w, since then, >= 0.

    Raises:
        ValueError: a number is out of its range.
    """
    _require(stage_seconds > 0, "the estimate of a stage", stage_seconds, "> 0")
    _require(waited_seconds >= 0, "waited_seconds", waited_seconds, ">= 0")
    return stage_seconds - (objective_seconds - waited_seconds)


def dispatch_score(
    engine_seconds: float, engine_load: float, *, base_seconds: float, base_load: float, alpha: float = 0.0
) -> float:
    """Return how well an engine suits a stage: α · t_base / t_e − (1 − α) · load_e / load_base.

    The engine with the greatest score is given the stage. For whoever has several engines; within one engine of
    ttscale each model has one backend.

    Args:
        engine_seconds: estimate of the stage on this engine, > 0.
        engine_load: seconds of work that wait there, >= 0.
        base_seconds: estimate on the engine that others are compared with, > 0.
        base_load: a load that others are compared with, > 0.
        alpha: what speed weighs against load, in [0, 1]; the authors begin with 0, and tune it by replaying
            recent work.

    Raises:
        ValueError: a number is out of its range.
    """
    _require(engine_seconds > 0, "engine_seconds", engine_seconds, "> 0")
    _require(engine_load >= 0, "engine_load", engine_load, ">= 0")
    _require(base_seconds > 0, "base_seconds", base_seconds, "> 0")
    _require(base_load > 0, "base_load", base_load, "> 0")
    _require(alpha <= 1 and alpha >= 0, "alpha", alpha, "in [0, 1]")
    return alpha * base_seconds / engine_seconds - (1 - alpha) * engine_load / base_load


def filled_estimates(estimates: Sequence[float | None]) -> tuple[float, ...]:
    """Return estimates with the mean of those that are known in place of those that are not; all 1 if none is.

    Raises:
        ValueError: an estimate is not above 0.
    """
    known = [value for value in estimates if value is not None]
    for value in known:
        _require(value > 0, "the estimate of a stage", value, "> 0")
    mean = math.fsum(known) / len(known) if known else 1.0
    return tuple(mean if value is None else float(value) for value in estimates)


class Workflow:
    """The stages of a run that is wanted within a time; made by `Run.wanted_within`."""

    def __init__(self, slo_seconds: float, stages: Sequence[float | None], *, began: float) -> None:
        """Begin with the first stage.

        Args:
            slo_seconds: within which the last stage is to end, > 0.
            stages: estimated seconds of each, > 0; ``None``: unknown, as long as the others are on average.
            began: when it began, by the event loop's clock.

        Raises:
            ValueError: there is no stage, or a number is out of its range.
        """
        if not stages:
            raise ValueError("a workflow needs the estimate of one stage or more, None where it is unknown")
        self._estimates = filled_estimates(stages)
        self._slo_seconds = slo_seconds
        self._began = began
        self._place = 0
        stage_objective(slo_seconds, 0.0, *self._now_and_later())

    @property
    def stage(self) -> int:
        """The stage it is at, from 0."""
        return self._place

    def advance(self) -> None:
        """Go on to the next stage; in the last one it stays."""
        self._place = min(self._place + 1, len(self._estimates) - 1)

    def start_by(self, now: float) -> float:
        """Return when a sample of this stage that begins to wait now must begin: now + SLO_i − t_i.

        Its urgency at a later time is that time less this one.
        """
        stage, later = self._now_and_later()
        return now + stage_objective(self._slo_seconds, max(0.0, now - self._began), stage, later) - stage

    def _now_and_later(self) -> tuple[float, tuple[float, ...]]:
        return self._estimates[self._place], self._estimates[self._place + 1 :]


def _require(holds: bool, name: str, value: float, rule: str) -> None:
    if not (holds and math.isfinite(value)):
        raise ValueError(f"{name} must be {rule} and finite, got {value!r}")
