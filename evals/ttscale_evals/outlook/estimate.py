"""How much a plan's cells would take: by what was measured, or by what their strategies declare at most.

1. A cell of which problems are done is expected to go on as it did.
2. Else a strategy draws at most `Strategy.max_samples` samples, the cost law that it declares. A sample takes
   its prompt and as many tokens as those that the model has drawn on the benchmark before, or, as an upper
   bound, `max_tokens`; without that, what its context leaves.
3. A budget bounds what it limits. Prompts that samples share are counted for each of them: an upper bound too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from ttscale import __version__
from ttscale.budget import Budget, CostModel, Price
from ttscale.strategy import Strategy, UsesModels, demands, parts
from ttscale.types import JSON
from ttscale.verifier import Verifier
from ttscale_evals.config import budget_text
from ttscale_evals.outlook.known import KnownModel, look_at
from ttscale_evals.outlook.past import Past, read_past
from ttscale_evals.plan import Cell, Plan
from ttscale_evals.sharing import is_shared, own_budget
from ttscale_evals.sources import Source, find_sources

Basis = Literal["done", "its own results", "earlier samples", "upper bound", "unknown"]
"""What the numbers of a cell rest on. ``"earlier samples"``: as many samples as there may be, each of the mean
length of those drawn before. ``"upper bound"``: as many, as long as they may be."""

QUANTITIES: Final = ("samples", "prompt_tokens", "tokens", "flops", "usd", "seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class CellEstimate:
    """What is left of one row; ``None`` is unknown, never 0."""

    benchmark: str
    strategy: str
    model: str
    budget: str
    """As in ``--budget``; empty: none."""
    num_problems: int
    num_done: int
    """Of them, those with a result already: in no other number."""
    basis: Basis
    samples: float | None = None
    prompt_tokens: float | None = None
    """Of all samples, computed or cached."""
    tokens: float | None = None
    """With `prompt_tokens`."""
    flops: float | None = None
    usd: float | None = None
    seconds: float | None = None
    """At the pace of what was done before."""
    notes: Sequence[str] = ()

    @property
    def is_bound(self) -> bool:
        """Whether the numbers are upper bounds."""
        return self.basis in ("earlier samples", "upper bound")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a whole run would take."""

    cells: Sequence[CellEstimate]
    notes: Sequence[str]
    """What a reader must know of the numbers."""

    def total(self, quantity: str) -> tuple[float | None, int]:
        """Return the sum of a quantity over the cells where it is known, and of how many it is not."""
        values: list[float | None] = [getattr(cell, quantity) for cell in self.cells]
        known = [value for value in values if value is not None]
        return (sum(known) if known else None), len(values) - len(known)

    def to_json(self) -> dict[str, JSON]:
        """Return the document of ``ttscale eval --dry-run --json``."""
        totals = {name: self.total(name) for name in QUANTITIES}
        return {
            "version": __version__,
            "cells": [{**asdict(cell), "is_bound": cell.is_bound} for cell in self.cells],
            "totals": {
                name: {"value": value, "num_unknown": lacking} for name, (value, lacking) in totals.items()
            },
            "num_problems": sum(cell.num_problems for cell in self.cells),
            "num_done": sum(cell.num_done for cell in self.cells),
            "notes": list(self.notes),
        }


def estimate(plan: Plan, *, out: Path | None = None) -> Estimate:
    """Estimate what a plan takes; no model is started, and nothing is written.

    Args:
        plan: with its problems.
        out: the run's directory, whose results are taken into account; it need not be there.

    Raises:
        ConfigError: a model, a price file or the directory's store is wrong.
    """
    past, sources = read_past(out), find_sources(plan.config.models, plan.config)
    known = {source.model.title: look_at(source.backend) for source in sources}
    cells = list[CellEstimate]()
    for cell in plan.cells:
        source = next(source for source in sources if source.model == cell.model)
        cells.append(_estimated(cell, _Model.of(source, known[cell.model.title]), past))
    return Estimate(cells=cells, notes=_notes(plan, known, cells))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    """What a sample of a model costs."""

    known: KnownModel
    cost: CostModel

    @classmethod
    def of(cls, source: Source, known: KnownModel) -> _Model:
        prices: Mapping[str, Price] = source.prices.models if source.prices is not None else {}
        names = (source.model.model, source.model.title, known.profile.name)
        price = next((prices[name] for name in names if name in prices), None)
        return cls(known=known, cost=CostModel(profile=known.profile, price=price))

    def longest(self, strategy: Strategy, prompt_tokens: int) -> int | None:
        """Return the most tokens a sample may have; ``None``: unknown."""
        context = self.known.profile.context_length
        room = max(0, context - prompt_tokens) if context else None
        drawing = [
            part for part in parts(strategy) if isinstance(part, Strategy) and hasattr(part, "max_tokens")
        ]
        asked: list[int | None] = [getattr(part, "max_tokens") for part in drawing]  # noqa: B009  # see above
        longest = None if None in asked else max((most for most in asked if most is not None), default=None)
        return min((limit for limit in (longest, room) if limit is not None), default=None)


def _estimated(cell: Cell, model: _Model, past: Past) -> CellEstimate:
    left = [place for place, key in enumerate(cell.keys) if key not in past.done]
    titles = (cell.benchmark_title, cell.strategy_title, cell.model.title, budget_text(cell.budget))
    measured = past.of_cell.get(titles, ())
    numbers: Mapping[str, float | None] = {}
    basis: Basis = "unknown"
    if not left:
        basis, numbers = "done", dict.fromkeys(QUANTITIES, 0.0)
    elif measured:
        basis = "its own results"
        share = len(left) / len(measured)
        flops, usd = [usage.flops for usage in measured], [usage.usd for usage in measured]
        numbers = {
            "samples": share * sum(usage.calls for usage in measured),
            "prompt_tokens": share * sum(usage.prompt_computed + usage.prompt_cached for usage in measured),
            "tokens": share * sum(usage.tokens for usage in measured),
            "flops": None if None in flops else share * sum(filter(None, flops)),
            "usd": None if None in usd else share * sum(filter(None, usd)),
        }
    elif (most := cell.strategy.max_samples()) is not None:
        length = past.sample_tokens.get((cell.benchmark_title, cell.model.title))
        basis = "upper bound" if length is None else "earlier samples"
        numbers = _at_most(cell, model, most, left, length)
    tokens, pace = numbers.get("tokens"), past.tokens_per_second
    seconds = tokens / pace if tokens is not None and pace else numbers.get("seconds")
    return CellEstimate(
        benchmark=titles[0],
        strategy=titles[1],
        model=titles[2],
        budget=titles[3],
        num_problems=len(cell.problems),
        num_done=len(cell.problems) - len(left),
        basis=basis,
        **{**numbers, "seconds": seconds},
        notes=_notes_of(cell.strategy),
    )


def _at_most(
    cell: Cell, model: _Model, most: int, left: Sequence[int], length: float | None
) -> Mapping[str, float | None]:
    """Return what problems take at most, by the number of samples and their lengths.

    Args:
        cell: whose.
        model: the cell's.
        most: samples of a problem.
        left: positions of the problems.
        length: generated tokens of a sample; ``None``: as many as there may be.
    """
    budget = own_budget(cell) or Budget()
    totals: dict[str, float | None] = dict.fromkeys(QUANTITIES, 0.0)
    samples = most if budget.samples is None else min(most, budget.samples)
    for place in left:
        prompt = model.known.count_tokens(cell.problems[place].prompt)
        generated = model.longest(cell.strategy, prompt) if length is None else round(length)
        one: dict[str, float | None] = {"samples": samples, "prompt_tokens": samples * prompt, "seconds": None}
        if generated is not None:
            counts = {"prompt_computed": prompt, "prompt_cached": 0, "generated": generated}
            one["tokens"] = samples * (prompt + generated)
            one["flops"] = _times(samples, model.cost.flops(**counts))
            one["usd"] = _times(samples, model.cost.usd(**counts))
        for name in QUANTITIES:
            totals[name] = _plus(totals[name], _least(one.get(name), _limit(budget, name)))
    if is_shared(cell):
        return {name: _least(total, _limit(cell.budget, name)) for name, total in totals.items()}
    return totals


def _limit(budget: Budget | None, quantity: str) -> float | None:
    return None if quantity == "seconds" else getattr(budget, quantity, None)


def _times(count: int, value: float | None) -> float | None:
    return None if value is None else count * value


def _plus(total: float | None, value: float | None) -> float | None:
    return None if total is None or value is None else total + value


def _least(value: float | None, limit: float | None) -> float | None:
    known = [number for number in (value, limit) if number is not None]
    return min(known, default=None)


def _notes_of(strategy: Strategy) -> Sequence[str]:
    """Return what the numbers of a strategy leave out."""
    notes = list[str]()
    nested = list(parts(strategy))
    if any(isinstance(part, Verifier) and isinstance(part, UsesModels) for part in nested):
        notes.append("without the tokens of its verifier's model")
    others = {
        name for part in nested if isinstance(part, Strategy) for name in demands(part) if name is not None
    }
    if others:
        notes.append(f"samples of {', '.join(sorted(others))} are counted as the row's own model's")
    return tuple(notes)


def _notes(plan: Plan, known: Mapping[str, KnownModel], cells: Sequence[CellEstimate]) -> Sequence[str]:
    notes = list[str]()
    if uncounted := [title for title, model in known.items() if not model.has_tokenizer]:
        notes.append(f"Prompts of {', '.join(uncounted)} are counted as a token for every 4 characters.")
    if any(cell.basis == "upper bound" for cell in cells):
        notes.append(
            "≤ are upper bounds: every sample that a strategy may draw, each as long as max_tokens or the "
            "context allows, with a prompt of its own. Most runs take a fraction of it."
        )
    if any(cell.basis == "earlier samples" for cell in cells):
        notes.append(
            "≤ of rows on whose benchmark samples were drawn before: every sample that a strategy may draw, of "
            "the mean length of those."
        )
    if plan.config.total_budget is not None:
        notes.append(f"No problem is begun once {budget_text(plan.config.total_budget)} are spent in all.")
    if any(cell.seconds is None for cell in cells):
        notes.append("Time is estimated once a part of the run is done, from its pace.")
    return [*notes, *dict.fromkeys(f"{cell.strategy}: {note}." for cell in cells for note in cell.notes)]
