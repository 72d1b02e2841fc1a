"""Auto: strategy and number of samples as this model's own recorded samples recommend them, and why."""

from __future__ import annotations

from dataclasses import dataclass

from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.checks import require_positive
from ttscale_strategies.effort._tabled import Pilots
from ttscale_strategies.effort.compute_optimal import TableOptions
from ttscale_strategies.effort.rules import Compute, Family, family_recipe
from ttscale_strategies.effort.table import Choice, EffortTable, strategy_of
from ttscale_strategies.voting.handing_on import handed_on


@dataclass(frozen=True, kw_only=True)
class Auto(TableOptions):
    """Choose by model, difficulty and budget ("The Art of Scaling Test-Time Compute", arXiv:2512.02008).

    The paper finds no strategy best everywhere, and recommends by family of model, difficulty and compute. With
    a table, that is measured: ``auto:tables=[table.json]``, fitted by ``benchmarks/effort.py`` to a bank of
    this model's samples (`ttscale_strategies.effort.bank_cases`), in which votes, first finishers and single
    samples are played through for each difficulty and budget. Without one it is the paper's recipe for a
    `family` that you name (`family_recipe`): ``auto:family=long,compute=low``.

    Cost: that of `compute_optimal`, whose pilots vote too; without a table, the recipe's. `confidence` is the
    strategy's. What was chosen, and why in a sentence, is in the trace (`chosen`, `reason`). Like
    `compute_optimal` it refuses questions that its tables were fitted on.

    Departure: in the paper difficulty and budget are known beforehand; here difficulty is told by pilots.
    """

    family: Family = "unknown"
    """Of the model, where there is no table: ``"short"`` or ``"long"`` horizon, ``"plain"`` for one that does
    not reason, ``"unknown"``."""
    compute: Compute = "high"
    """How much may be spent, where there is no table."""
    n: int = 16
    """Samples, where there is no table, >= 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.n, "n")

    def max_samples(self) -> int | None:
        """Return the pilots and the most of any strategy of the tables, or the recipe's."""
        return self._most_samples() if self.tables else strategy_of(self._recipe[0]).max_samples()

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Choose, say why, and do it. Errors as `ComputeOptimal.solve`."""
        if not self.tables:
            chosen, reason = self._recipe
            run.note(chosen=chosen, reason=reason)
            return await handed_on(strategy_of(chosen), problem, run, label="chosen")
        pilots = Pilots(run)
        table, ease, choice = await self._looked_up(problem, pilots)
        run.note(reason=explained(table, ease, choice))
        return await pilots.concluded(self._choosable[choice.strategy], problem)

    @property
    def _recipe(self) -> tuple[str, str]:
        return family_recipe(self.family, self.compute, self.n)


def explained(table: EffortTable, ease: float | None, choice: Choice) -> str:
    """Return in a sentence why a table chooses as it does.

    Args:
        table: that was asked.
        ease: of the question; ``None``: it could not be told.
        choice: what the table said.
    """
    by = {
        "agreement": f"agreement of {table.num_pilots} pilots",
        "verifier": f"mean score of {table.num_pilots} pilots",
        "given": "given pass rate",
    }[table.difficulty]
    seen = "could not be told" if ease is None else f"is {ease:.2f}"
    second = f", {choice.runner_up} next" if choice.runner_up else ""
    over = " (nothing is as cheap)" if choice.tokens > choice.budget and not table.shared else ""
    mean = " a question on average" if table.shared else ""
    family = "" if table.family == "unknown" else f"; the model is of the family {table.family!r}"
    return (
        f"its ease ({by}) {seen}, bin {choice.difficulty_bin + 1} of {table.num_bins} from the hardest; with "
        f"{choice.budget} tokens{mean}{over} {choice.strategy} was right on {choice.accuracy:.1%} of "
        f"{choice.num_cases} such cases for {choice.tokens:.0f} tokens each{second}{family}"
    )
