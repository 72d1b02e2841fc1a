"""What `atts` had better know beforehand: how unlikely a target finds a draft's first segments."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ttscale.errors import BackendError, ConfigError
from ttscale.run import Run
from ttscale.types import Candidate, Outcome, Problem
from ttscale_strategies.search._atts_chain import Chain
from ttscale_strategies.search.atts import ATTS

if TYPE_CHECKING:
    from ttscale.engine import Engine


async def calibrate(
    engine: Engine, problems: Sequence[Problem], atts: ATTS, *, seed: int = 0
) -> tuple[float, ...]:
    """Return the perplexities of n first segments of each problem, in the order of the problems.

    This is the marginal calibration of arXiv:2509.15148: ``ATTS(…, calibration=await calibrate(…))``. The
    problems must be like those that are solved with it, and others. Segments that failed, or that the target
    could not read, are left out.

    Args:
        engine: started; its model is the draft unless `atts` names another.
        problems: one or more; all are asked at once.
        atts: its models, segments and temperature are used, and its `n`: segments of each problem.
        seed: as of `Engine.solve`.

    Raises:
        BackendError: not one segment could be written and read.
        ConfigError: there are no problems, or a model cannot do it.
    """
    if not problems:
        raise ConfigError("There are no problems to calibrate with; give one or more.")
    async with asyncio.TaskGroup() as group:
        solving = [
            group.create_task(engine.solve(problem, strategy=FirstSegments(atts=atts), seed=seed))
            for problem in problems
        ]
    outcomes = [task.result() for task in solving]
    found = [candidate.score for outcome in outcomes for candidate in outcome.candidates]
    perplexities = tuple(value for value in found if value is not None)
    if not perplexities:
        raise BackendError(f"not one draft could be written and read: {outcomes[0].error or 'no text'}")
    return perplexities


def write_perplexities(path: Path, perplexities: Sequence[float]) -> None:
    """Write a file that ``atts:calibration=PATH`` reads."""
    path.write_text(json.dumps({"perplexities": list(perplexities)}) + "\n", encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class FirstSegments:
    """A strategy that answers nothing: its candidates are first segments, scored by their perplexities."""

    atts: ATTS
    needs: ClassVar[frozenset[str]] = frozenset()

    def max_samples(self) -> int:
        """Return the number of chains."""
        return self.atts.n

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Write and read the first segment of each chain."""
        chains = [Chain(self.atts, index) for index in range(self.atts.n)]
        async with asyncio.TaskGroup() as group:
            reading = [group.create_task(chain.first_perplexity(run)) for chain in chains]
        samples = [chain.sample(run) for chain in chains]
        candidates = [
            Candidate(
                index=sample.index,
                answer=None,
                key=None,
                score=value if math.isfinite(value := task.result()) else None,
                num_tokens=sample.num_tokens,
                finish_reason=sample.finish_reason,
            )
            for sample, task in zip(samples, reading, strict=True)
        ]
        failed = all(sample.is_error for sample in samples)
        return Outcome(
            answer=None,
            candidates=tuple(candidates),
            stop_reason="error" if failed else "finished",
            error=samples[0].error if failed else None,
        )
