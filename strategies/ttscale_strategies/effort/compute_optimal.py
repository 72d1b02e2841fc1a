"""Compute-optimal: what was best for questions as hard as this one, at this budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from ttscale.registry import create_verifier
from ttscale.run import Run
from ttscale.strategy import Strategy
from ttscale.types import Outcome, Problem
from ttscale.verifier import Verifier
from ttscale_strategies.effort._tabled import Pilots, all_demands, unseen
from ttscale_strategies.effort.plain_vote import plain_vote
from ttscale_strategies.effort.table import Choice, EffortTable, load_table, strategy_of
from ttscale_strategies.voting import SelfConsistency


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """The options of strategies that ask a fitted table what to do."""

    tables: tuple[str, ...] = ()
    """JSON files of `fit_effort_table`; the first one that was not fitted on the question is asked, so that the
    tables of two folds serve all questions of both."""
    tokens: int | None = None
    """Budget to look up, >= 1, as mean tokens a question, pilots counted; ``None``: what is left of the
    question's token budget, and without one the greatest in the table."""
    verifier: Verifier = field(default_factory=lambda: create_verifier("confidence"))
    """Scores the pilots of a table whose difficulty is ``"verifier"``."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        if self.tokens is not None and self.tokens < 1:
            raise ValueError(f"tokens must be >= 1, got {self.tokens!r}")
        _ = self._choosable

    @cached_property
    def _loaded(self) -> tuple[EffortTable, ...]:
        return tuple(load_table(path) for path in self.tables)

    @cached_property
    def _choosable(self) -> Mapping[str, Strategy]:
        """Every strategy of the tables, by its spec."""
        specs = sorted({choice.strategy for table in self._loaded for choice in table.choices})
        return {spec: strategy_of(spec) for spec in specs}

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """What the tables' strategies need, of any model."""
        return all_demands(list(self._choosable.values()))

    def _most_samples(self) -> int | None:
        """Return the most that any table's pilots and any of its strategies draw."""
        most = [self._with_pilots(table, choice) for table in self._loaded for choice in table.choices]
        return None if None in most else max((number or 0 for number in most), default=0)

    def _with_pilots(self, table: EffortTable, choice: Choice) -> int | None:
        """Return the most samples of a choice; pilots are among those of a plain vote."""
        strategy = self._choosable[choice.strategy]
        vote, most = plain_vote(strategy), strategy.max_samples()
        if vote is not None:
            return max(table.num_pilots, vote.n)
        return None if most is None else table.num_pilots + most

    async def _looked_up(self, problem: Problem, pilots: Pilots) -> tuple[EffortTable, float | None, Choice]:
        """Return the table that has not seen the problem, how easy the problem is, and what is best for it."""
        run = pilots.run
        table = unseen(self._loaded, problem, run)
        tokens = run.budget.remaining.tokens if self.tokens is None else self.tokens
        ease = await pilots.ease_of(table, problem, self.verifier)
        choice = table.choice(ease, tokens)
        run.note(ease=ease, difficulty_bin=choice.difficulty_bin, chosen=choice.strategy)
        return table, ease, choice


@dataclass(frozen=True, kw_only=True)
class ComputeOptimal(TableOptions):
    """Spend a budget in the way that was best for questions as hard (Snell et al. 2024, arXiv:2408.03314).

    A table says for each of up to five bins of difficulty, and each budget, which strategy was right most often
    on questions of another fold: ``compute_optimal:tables=[half-a.json, half-b.json],tokens=4000``. Difficulty
    is told by a few pilot samples, their agreement or a verifier's mean score (predicted), or given in the
    problem's ``meta["pass_rate"]`` (the oracle). Tables are made by
    `ttscale_strategies.effort.fit_effort_table` or ``benchmarks/effort.py``.

    Pilots vote. Where the table chooses a plain majority of n samples, `single` or `self_consistency`, they are
    the first of the n, and if they are as many or more nothing else is drawn. Any other strategy draws its own
    samples, and the pilots answer if it does not.

    Cost: max(pilots, n) samples where a plain majority is chosen; else the pilots and the chosen strategy's.
    `confidence` is the strategy's. What was chosen is in the trace (`ease`, `difficulty_bin`, `chosen`). A
    question that all tables were fitted on is refused: the error ends the run before a token is spent.

    Departures: the paper does not count what telling the difficulty costs (2048 samples, or as many scores);
    here pilots count against the budget. Without a table, `otherwise` answers.
    """

    otherwise: Strategy = field(default_factory=lambda: SelfConsistency(n=16))
    """Answers where there is no table."""

    def max_samples(self) -> int | None:
        """Return the pilots and the most of any strategy of the tables."""
        return self._most_samples() if self.tables else self.otherwise.max_samples()

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Tell the difficulty, look up what is best, and do it.

        Raises:
            BudgetExhausted: the budget does not buy a single sample.
            ConfigError: all tables were fitted on this problem, or it brings no pass rate where one is wanted.
        """
        if not self.tables:
            return await self.otherwise.solve(problem, run)
        pilots = Pilots(run)
        _, _, choice = await self._looked_up(problem, pilots)
        return await pilots.concluded(self._choosable[choice.strategy], problem)
