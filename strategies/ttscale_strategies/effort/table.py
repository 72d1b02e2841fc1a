"""What was best for questions of each difficulty at each budget: fitted on one fold, kept as plain JSON."""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast, get_args

from ttscale.errors import ConfigError
from ttscale.registry import create_strategy
from ttscale.strategy import Strategy
from ttscale.types import JSON, Problem
from ttscale_strategies.checks import require_positive, require_share
from ttscale_strategies.effort.rules import Family, difficulty_bins

Difficulty: TypeAlias = Literal["agreement", "verifier", "given"]
"""What tells how easy a question is, in [0, 1]: the share of pilot samples that agree, their mean score by a
verifier, or the pass rate in the problem's ``meta["pass_rate"]`` (the oracle)."""

FORMAT: Final = "ttscale effort 2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What pilots and a strategy came to on a question, or what they come to on average."""

    correct: float
    """In [0, 1]."""
    tokens: float
    """>= 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A question that several strategies have answered."""

    question: str
    """As it was asked: by it the fold is known again."""
    ease: float
    """How easy it seemed, by what will tell it later too; in [0, 1]."""
    results: Mapping[str, Result]
    """By the spec of the strategy, the same ones in every case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was best for a bin of questions at a budget."""

    difficulty_bin: int
    """0 the hardest."""
    budget: int
    """Mean tokens a question that it may cost: of this bin, or of all bins together if the table is shared."""
    strategy: str
    """Its spec."""
    accuracy: float
    """On the questions it was chosen on: too high, as it was chosen for it."""
    tokens: float
    """Its mean tokens a question there."""
    num_cases: int
    runner_up: str = ""
    """The second best within the budget and its accuracy, in words; empty: there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffortTable:
    """What `fit_effort_table` makes.

    Raises:
        ValueError: there is no choice for some bin and budget, a bound or difficulty is wrong, or a strategy is
            unknown.
    """

    difficulty: Difficulty
    num_pilots: int
    """Samples by which difficulty is told, >= 1; 0 where it is given."""
    bounds: tuple[float, ...]
    """Ease from which on a question is in the next bin, rising."""
    choices: tuple[Choice, ...]
    """One for each bin and budget."""
    seen: frozenset[str]
    """Fingerprints of the questions that it was fitted on."""
    family: Family = "unknown"
    """Of the model whose samples it was fitted on."""
    shared: bool = False
    """Whether a budget is the mean over all questions, so that hard ones may cost more than easy ones."""

    def __post_init__(self) -> None:
        if self.difficulty not in get_args(Difficulty) or self.family not in get_args(Family):
            raise ValueError(f"difficulty {self.difficulty!r} or family {self.family!r} is none")
        if self.num_pilots < (self.difficulty != "given"):
            raise ValueError(f"num_pilots must be >= 1 to tell difficulty, got {self.num_pilots!r}")
        if list(self.bounds) != sorted(set(self.bounds)) or not all(map(math.isfinite, self.bounds)):
            raise ValueError(f"bounds must rise, got {list(self.bounds)!r}")
        have = sorted((choice.difficulty_bin, choice.budget) for choice in self.choices)
        wanted = [(place, budget) for place in range(self.num_bins) for budget in self.budgets]
        if not self.choices or have != wanted:
            raise ValueError(f"there must be one choice for each of {self.num_bins} bins and each budget")
        for spec in {choice.strategy for choice in self.choices}:
            strategy_of(spec)

    @property
    def num_bins(self) -> int:
        """>= 1."""
        return len(self.bounds) + 1

    @property
    def budgets(self) -> list[int]:
        """Those that something was chosen for, rising."""
        return sorted({choice.budget for choice in self.choices})

    def has_seen(self, *problems: Problem) -> bool:
        """Whether one of these is among the questions that it was fitted on."""
        return any(fingerprint(problem) in self.seen for problem in problems)

    def choice(self, ease: float | None, tokens: int | None) -> Choice:
        """Return what was best for questions as easy as this.

        Args:
            ease: in [0, 1]; ``None``, it could not be told, is taken for the hardest.
            tokens: that may be spent; the greatest budget up to it counts, of less than all the least.
                ``None``: the greatest of all.
        """
        within = [budget for budget in self.budgets if tokens is None or budget <= tokens]
        budget = within[-1] if within else self.budgets[0]
        place = 0 if ease is None else bisect_right(self.bounds, ease)
        return next(c for c in self.choices if (c.difficulty_bin, c.budget) == (place, budget))

    def write(self, path: Path) -> None:
        """Write a file that `load_table` reads."""
        document: dict[str, JSON] = {
            "format": FORMAT,
            "difficulty": self.difficulty,
            "num_pilots": self.num_pilots,
            "bounds": list(self.bounds),
            "choices": [asdict(choice) for choice in self.choices],
            "family": self.family,
            "shared": self.shared,
            "seen": sorted(self.seen),
        }
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def strategy_of(spec: str) -> Strategy:
    """Return the strategy of a table's spec.

    Raises:
        ValueError: there is none of that name, or it has no such parameters.
    """
    try:
        return create_strategy(spec)
    except ConfigError as error:
        raise ValueError(f"the strategy {spec!r} cannot be made: {error}") from error


def fingerprint(problem: Problem | str) -> str:
    """Return by what a question is known again: a hash of its words; of a problem without words, of its ids."""
    if isinstance(problem, Problem):
        words, ids = problem.prompt.question, problem.prompt.token_ids
        problem = words if ids is None else f"token ids {list(ids)}"
    return hashlib.sha256(" ".join(problem.split()).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def load_table(path: str | Path) -> EffortTable:
    """Return the table of a JSON file.

    Raises:
        ValueError: there is no such file, it holds no table, or a strategy in it is unknown.
    """
    try:
        return _read(cast("Mapping[str, object]", json.loads(Path(path).read_text(encoding="utf-8"))))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"table {str(path)!r} cannot be read: {error}") from error


def _read(document: Mapping[str, object]) -> EffortTable:
    if document["format"] != FORMAT:
        raise ValueError(f"its format is {document['format']!r}, not {FORMAT!r}")
    choices = cast("Sequence[Mapping[str, object]]", document["choices"])
    return EffortTable(
        difficulty=cast("Difficulty", document["difficulty"]),
        num_pilots=int(cast("int", document["num_pilots"])),
        bounds=tuple(float(bound) for bound in cast("Sequence[float]", document["bounds"])),
        choices=tuple(_read_choice(choice) for choice in choices),
        seen=frozenset(str(mark) for mark in cast("Sequence[str]", document["seen"])),
        family=cast("Family", document["family"]),
        shared=bool(document["shared"]),
    )


def _read_choice(document: Mapping[str, object]) -> Choice:
    return Choice(
        difficulty_bin=int(cast("int", document["difficulty_bin"])),
        budget=int(cast("int", document["budget"])),
        strategy=str(document["strategy"]),
        accuracy=float(cast("float", document["accuracy"])),
        tokens=float(cast("float", document["tokens"])),
        num_cases=int(cast("int", document["num_cases"])),
        runner_up=str(document["runner_up"]),
    )


def fit_effort_table(
    cases: Sequence[Case],
    *,
    budgets: Sequence[int],
    num_bins: int = 5,
    difficulty: Difficulty = "agreement",
    num_pilots: int = 4,
    family: Family = "unknown",
    shared: bool = False,
) -> EffortTable:
    """Return the best strategy for each difficulty and budget (Snell et al. 2024, arXiv:2408.03314).

    Questions are ranked by ease and cut into bins (`difficulty_bins`). Of the strategies whose mean tokens in
    a bin keep within a budget, the one right most often is chosen, of equals the cheaper, then the one named
    first; if none is as cheap, the cheapest. The paper gives each question the same budget; with ``shared`` it
    is the mean over all questions that keeps within it, and of all ways to give each bin a strategy the one
    that is right most often is chosen. Questions that are equally easy cannot be told apart later, so
    a cut between such goes to the nearer end of them: there are fewer bins, and with a difficulty that is the
    same for all, one bin and one choice.

    Args:
        cases: of one fold; a question may occur several times, with another ease each.
        budgets: mean tokens a question, >= 1 each.
        num_bins: most bins, >= 1.
        difficulty: what `ease` is, and what tells it later.
        num_pilots: samples that it took, and takes later.
        family: of the model, for the record.
        shared: whether budgets are means over all questions.

    Raises:
        ValueError: there are no cases, strategies or budgets, cases differ in their strategies, a number is out
            of its range, or a strategy is unknown.
    """
    if not cases or not cases[0].results or not budgets:
        raise ValueError("a table needs at least one question, one strategy and one budget")
    for budget in budgets:
        require_positive(budget, "budgets")
    for case in cases:
        require_share(case.ease, "ease")
        if case.results.keys() != cases[0].results.keys():
            other = ", ".join(sorted(case.results.keys() ^ cases[0].results.keys()))
            raise ValueError(f"every question needs a result of every strategy; some have none of: {other}")
    bounds = _bounds([case.ease for case in cases], num_bins)
    binned = defaultdict[int, list[Case]](list)
    for case in cases:
        binned[bisect_right(bounds, case.ease)].append(case)
    return EffortTable(
        difficulty=difficulty,
        num_pilots=0 if difficulty == "given" else num_pilots,
        bounds=bounds,
        choices=tuple(_choices([binned[place] for place in range(len(bounds) + 1)], budgets, shared=shared)),
        seen=frozenset(fingerprint(case.question) for case in cases),
        family=family,
        shared=shared,
    )


def _bounds(eases: Sequence[float], num_bins: int) -> tuple[float, ...]:
    """Return where bins meet, half-way between two eases."""
    ranked = sorted(eases)
    bins = difficulty_bins(ranked, num_bins)
    bounds = set[float]()
    for cut in range(1, len(ranked)):
        if bins[cut - 1] == bins[cut]:
            continue
        ends = (bisect_left(ranked, ranked[cut]), bisect_right(ranked, ranked[cut]))
        inner = [end for end in ends if 0 < end < len(ranked)]
        if inner:
            moved = min(inner, key=lambda end: abs(end - cut))
            bounds.add((ranked[moved - 1] + ranked[moved]) / 2.0)
    return tuple(sorted(bounds))


def _choices(bins: Sequence[Sequence[Case]], budgets: Sequence[int], *, shared: bool) -> Iterator[Choice]:
    """Yield what is best for each bin and budget."""
    means = [_means(cases) for cases in bins]
    num_cases = [len(cases) for cases in bins]
    combined = _combined(means, num_cases) if shared else []
    for budget in sorted(set(budgets)):
        best = max((one for one in combined if one.tokens <= budget), key=_correct, default=None)
        together = best or (combined[0] if shared else None)
        for place, found in enumerate(means):
            ranked = _ranked(found, budget) if together is None else [together.specs[place]]
            yield Choice(
                difficulty_bin=place,
                budget=budget,
                strategy=ranked[0],
                accuracy=found[ranked[0]].correct,
                tokens=found[ranked[0]].tokens,
                num_cases=num_cases[place],
                runner_up=f"{ranked[1]} on {found[ranked[1]].correct:.1%}" if len(ranked) > 1 else "",
            )


def _means(cases: Sequence[Case]) -> dict[str, Result]:
    """Return what each strategy comes to on average."""
    means = dict[str, Result]()
    for spec in cases[0].results:
        found = [case.results[spec] for case in cases]
        means[spec] = Result(
            correct=sum(result.correct for result in found) / len(found),
            tokens=sum(result.tokens for result in found) / len(found),
        )
    return means


def _ranked(means: Mapping[str, Result], budget: int) -> list[str]:
    """Return the strategies within a budget, the best first; of none the cheapest."""
    affordable = [spec for spec, mean in means.items() if mean.tokens <= budget]
    if not affordable:
        return [min(means, key=lambda spec: means[spec].tokens)]
    return sorted(affordable, key=lambda spec: (-means[spec].correct, means[spec].tokens))


@dataclass(frozen=True, slots=True)
class _Combined:
    """A strategy for each of the first bins, and what they come to a question of all bins."""

    tokens: float
    correct: float
    specs: tuple[str, ...]


def _correct(one: _Combined) -> float:
    return one.correct


def _combined(means: Sequence[Mapping[str, Result]], num_cases: Sequence[int]) -> list[_Combined]:
    """Return all ways to give each bin a strategy that no other is better than for less, by rising tokens."""
    front = [_Combined(0.0, 0.0, ())]
    for found, num in zip(means, num_cases, strict=True):
        share = num / sum(num_cases)
        longer = [
            _Combined(one.tokens + share * mean.tokens, one.correct + share * mean.correct, (*one.specs, spec))
            for one in front
            for spec, mean in found.items()
        ]
        front = []
        for one in sorted(longer, key=lambda one: (one.tokens, -one.correct)):
            if not front or one.correct > front[-1].correct:
                front.append(one)
    return front
