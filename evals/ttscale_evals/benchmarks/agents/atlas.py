"""An invented atlas: places that nobody has heard of, and questions that need several of them looked up.

The wording is that of ParallelQA (LLMCompiler, arXiv 2312.04511); the places, their numbers and the questions
are made from a seed. So the corpus is complete, a search finds every fact there is, and no model knows one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Final

from ttscale.tools import Tool
from ttscale.tools.calculator import Calculator
from ttscale.tools.corpus import Passage
from ttscale.types import Problem, Prompt
from ttscale.workers import Workers
from ttscale_evals.benchmarks.agents.corpus import FactSearch
from ttscale_evals.benchmarks.agents.files import INSTRUCTION
from ttscale_evals.benchmarks.agents.parallel_qa import near_grade
from ttscale_evals.benchmarks.agents.slow import slowed
from ttscale_evals.benchmarks.base import Attempt, Grade
from ttscale_evals.metrics.graphs import TaskGraph

MAX_BRANCHES: Final = 8


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of places, and the number that the atlas has of each."""

    name: str
    """With ``{}`` for the place's own name."""
    sentence: str
    """With the place, its number and the year of the source."""
    measure: str
    """What the number is, after "the"."""
    most: str
    """What the one with the greatest number is."""
    numbers: tuple[int, int]


_KINDS: Final = (
    _Kind("Mount {}", "{} is {:,} metres high, by a survey of {}.", "height in metres", "highest", (900, 8900)),
    _Kind("Lake {}", "{} is {:,} metres deep, by soundings of {}.", "depth in metres", "deepest", (20, 1600)),
    _Kind(
        "River {}", "{} is {:,} kilometres long, by a map of {}.", "length in kilometres", "longest", (80, 6900)
    ),
    _Kind("{} Tower", "{} is {:,} metres tall and was built in {}.", "height in metres", "tallest", (60, 820)),
    _Kind("{} City", "{} has {:,} people, by a count of {}.", "population", "most populous", (9000, 4000000)),
)
_CHANGES: Final = (-40, -30, -20, 20, 30, 40)
"""By how many per cent a number is said to differ."""
_BEGINNINGS: Final = (
    "Al",
    "Bre",
    "Cor",
    "Dal",
    "Es",
    "Fen",
    "Gor",
    "Hal",
    "Is",
    "Jor",
    "Kel",
    "Lor",
    "Mar",
    "Nev",
)
_MIDDLES: Final = ("a", "e", "i", "o", "u", "an", "el", "ir", "on", "ur")
_ENDINGS: Final = (
    "bar",
    "dun",
    "fell",
    "gar",
    "lin",
    "mor",
    "nath",
    "quil",
    "rath",
    "sel",
    "tor",
    "vane",
    "wick",
)


@dataclass(frozen=True, slots=True)
class Place:
    """A place of the atlas."""

    name: str
    number: int
    """Its height, depth, length or population, > 0."""
    kind: int
    """Of `kinds`, from 0."""
    year: int

    @property
    def passage(self) -> Passage:
        """What the atlas says of it."""
        text = _KINDS[self.kind].sentence.format(self.name, self.number, self.year)
        return Passage(title=self.name, text=text)


@dataclass(frozen=True, kw_only=True)
class InventedAtlas:
    """Questions about invented places: look up several side by side, then compare or compute.

    The tools are `search` over the whole atlas and a calculator. An answer that is a number is right within a
    hundredth, any other by normalised exact match. The meta has an ideal plan as a graph: the look-ups, and
    one call of the calculator after them. The calculator can be done without, so that makespans have no optimum
    here.
    """

    size: int = 100
    """Number of problems, >= 1."""
    seed: int = 0
    """Of the atlas and the questions, >= 0."""
    min_branches: int = 2
    """Fewest places that a question is about, >= 2."""
    max_branches: int = 5
    """Most, <= 8."""
    places: int = 40
    """Of each kind in the atlas, >= `max_branches`; the more, the more a search can miss."""
    hits: int = 3
    """Most entries that a search returns, >= 1."""
    instruction: str = INSTRUCTION
    """Added to each question after a line break."""
    tool_seconds: float = 0.0
    """Median time of a call of a tool, >= 0."""
    tool_spread: float = 0.0
    """Standard deviation of the logarithm of that time, >= 0."""

    def __post_init__(self) -> None:
        for name in ("size", "hits"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)!r}")
        if self.seed < 0:
            raise ValueError(f"seed must be >= 0, got {self.seed!r}")
        if not 2 <= self.min_branches <= self.max_branches <= MAX_BRANCHES:
            least, most = self.min_branches, self.max_branches
            raise ValueError(
                f"min_branches and max_branches must be 2 to {MAX_BRANCHES}, got {least!r}, {most!r}"
            )
        if not self.max_branches <= self.places <= 200:
            raise ValueError(f"places must be from max_branches to 200, got {self.places!r}")
        slowed((), seconds=self.tool_seconds, spread=self.tool_spread)  # out of range values are found here

    def problems(self, *, limit: int | None = None, seed: int | None = None) -> Iterator[Problem]:
        """Yield the first `limit` problems; with another seed they are about the same atlas."""
        chosen = self.seed if seed is None else seed
        for index in islice(range(self.size), limit):
            yield self._problem(index, chosen)

    def attempt(self, problem: Problem) -> Attempt:
        """Begin one try, with a search and a calculator."""
        del problem
        return Attempt(tools=self._tools)

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Grade a number by its distance, a name by normalised exact match."""
        del workers
        return near_grade(answer, problem.target or "", tolerance=0.01)

    def _problem(self, index: int, seed: int) -> Problem:
        rng = random.Random(f"atlas question {seed} {index}")
        kind = rng.randrange(len(_KINDS))
        num_branches = rng.randint(self.min_branches, self.max_branches)
        chosen = rng.sample(self._atlas[kind], num_branches)
        question, target = rng.choice((_greatest, _together, _apart, _changed))(chosen, rng)
        text = f"{question}\n{self.instruction}" if self.instruction else question
        names = [place.name for place in chosen]
        graph = TaskGraph(
            durations=dict.fromkeys([*names, "answer"], self.tool_seconds or 1.0),
            edges=[(name, "answer") for name in names],
        )
        return Problem(
            id=f"atlas-{self.seed}-{seed}-{index}",
            prompt=Prompt.user(text),
            target=target,
            meta={"question": question, "branch": num_branches, "places": names, "graph": graph.to_json()},
        )

    @cached_property
    def _atlas(self) -> Mapping[int, Sequence[Place]]:
        rng = random.Random(f"atlas {self.seed}")
        names = [first + middle + last for first in _BEGINNINGS for middle in _MIDDLES for last in _ENDINGS]
        rng.shuffle(names)
        own = iter(names)
        return {
            number: [
                Place(kind.name.format(next(own)), size, number, rng.randint(1820, 2010))
                for size in rng.sample(range(*kind.numbers), self.places)  # no two alike
            ]
            for number, kind in enumerate(_KINDS)
        }

    @cached_property
    def _tools(self) -> Sequence[Tool]:
        facts = (place.passage for places in self._atlas.values() for place in places)
        search = FactSearch.of(facts, hits=self.hits)
        return slowed((search, Calculator()), seconds=self.tool_seconds, spread=self.tool_spread)


def _listed(places: Sequence[Place]) -> str:
    *first, last = (place.name for place in places)
    return f"{', '.join(first)} and {last}"


def _greatest(places: Sequence[Place], rng: random.Random) -> tuple[str, str]:
    del rng
    target = max(places, key=lambda place: place.number).name
    return f"Which is the {_KINDS[places[0].kind].most}: {_listed(places)}?", target


def _together(places: Sequence[Place], rng: random.Random) -> tuple[str, str]:
    del rng
    total = sum(place.number for place in places)
    return f"Add up the {_KINDS[places[0].kind].measure} of {_listed(places)}. What is the sum?", str(total)


def _apart(places: Sequence[Place], rng: random.Random) -> tuple[str, str]:
    del rng
    numbers = [place.number for place in places]
    measure = _KINDS[places[0].kind].measure
    question = f"Of {_listed(places)}, take the greatest and the least {measure}. What is the difference?"
    return question, str(max(numbers) - min(numbers))


def _changed(places: Sequence[Place], rng: random.Random) -> tuple[str, str]:
    """Ask who has the most once one of them has changed by some per cent; there is never a tie."""
    place, kind = rng.choice(places), _KINDS[places[0].kind]
    for percent in rng.sample(_CHANGES, len(_CHANGES)):
        numbers = {one.name: one.number * (100 + percent * (one is place)) for one in places}
        if len(set(numbers.values())) == len(places):
            change = f"{abs(percent)} % {'more' if percent > 0 else 'less'}"
            question = f"If the {kind.measure} of {place.name} were {change}, which would be the {kind.most}"
            return f"{question}: {_listed(places)}?", max(numbers, key=lambda name: numbers[name])
    return _greatest(places, rng)
