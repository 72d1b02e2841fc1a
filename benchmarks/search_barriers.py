"""What barriers cost a tree search: `python benchmarks/search_barriers.py`.

The same strategies search the same questions, all at once, with the same widths, seeds, engine and verifier, in
three ways that take turns:

- *free*: the driver that ttscale has. A step is scored the moment it ends, and gone on from as soon as it is
  certain that it will be, whatever else is under way.
- *level*: one barrier for all. One depth of all questions is written, everything at once; when the last of its
  steps has ended, all of them are scored, everything at once; with the last score the next depth begins. So go
  searches that advance the questions of a batch together, as ThinkBooster's beam search.
- *question*: the same, but each question waits for its own steps only. So go searches that have a thread or a
  task for each question, as the released code of REBASE and of ETS.

All three come to the same trees, and so to the same numbers of tokens and the same answers; the benchmark fails
if they do not. The drivers with barriers exist here only. They share all else with the free one (prompts as
token ids, the prefix cache, the scheduler), which what they stand for mostly lacks: measured is what barriers
cost, and nothing else.

``--engine virtual`` takes no real time: a scripted engine on a virtual clock, that advances a batch at one pace
however full it is, and a judge with a time of its own. Lengths are those of real solutions, see `STEP_TOKENS`.
``--engine vllm`` has `abacus` search held-out problems, and its judge score the steps.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import platform
import random
import statistics
import sys
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, TypeVar, get_args

from ttscale import Engine, Outcome, Problem, Prompt, load_backend
from ttscale.evals import create_benchmark
from ttscale.reference.problems import EVALUATION_CONFIGS
from ttscale.registry import create_strategy
from ttscale.run import Run
from ttscale.strategies import DVTS, BeamSearch, Rebase
from ttscale.strategy import Strategy
from ttscale.testing import FakeBackend, Reply, Rule
from ttscale.virtual import run_virtual
from ttscale_strategies.search._options import StepOptions
from ttscale_strategies.search.driver import Search
from ttscale_strategies.search.planner import Planner
from ttscale_strategies.search.tree import Draw, Node

T = TypeVar("T")

Way = Literal["free", "level", "question"]
WAYS: Final[tuple[Way, ...]] = get_args(Way)

STEP_TOKENS: Final = (3.65, 0.76)
"""Mean and standard deviation of the logarithm of a step's tokens: median 38, mean 51, one in twenty above
134. As in 800 solutions of 100 problems of MATH by Qwen2.5-Math, steps parted by empty lines (tokens estimated:
words, digits and signs)."""
NUM_STEPS: Final = (7.4, 2.9, 2.1)
"""Steps of a solution there: the mean, its standard deviation from problem to problem, and the one from
solution to solution of a problem."""
_MOST_STEPS: Final = 25
"""Of any solution there."""

SECONDS_PER_TOKEN: Final = 0.01
"""Of the scripted engine, for each sample under way."""
JUDGE_SEATS: Final = 16
"""Steps that the scripted judge scores at once."""


# ── searches with barriers ────────────────────────────────────────────────────────────────────────────────────


class Meeting:
    """Where members wait for each other, as often as they like; who has left is not waited for."""

    def __init__(self, num_members: int) -> None:
        self._num_members = num_members
        self._num_here = 0
        self._gate = asyncio.Event()

    async def wait(self) -> None:
        """Wait until all other members are here too."""
        gate = self._gate
        self._num_here += 1
        self._open_if_complete()
        await gate.wait()

    def leave(self) -> None:
        """Be a member no more."""
        self._num_members -= 1
        self._open_if_complete()

    def _open_if_complete(self) -> None:
        if self._num_here == self._num_members:
            self._num_here = 0
            self._gate.set()
            self._gate = asyncio.Event()


class LevelSearch(Search):
    """A search that writes a whole depth, then scores a whole depth, and meets the others after both."""

    meeting: Meeting

    async def outcome(self) -> Outcome:
        """Search until nothing more is wanted."""
        try:
            while due := self._due():
                await self._go_down(due)
        finally:
            self.meeting.leave()
        return (await self._elect())[0]

    def _due(self) -> list[Draw]:
        """Return the next depth: as all before it is complete, nothing is wanted beyond it."""
        self._plan = self._planner.plan(self.tree)
        draws = (Draw(site, at) for site, count in self._plan.wanted.items() for at in range(count))
        return [draw for draw in draws if draw not in self.tree.draws]

    async def _go_down(self, due: Sequence[Draw]) -> None:
        async with AsyncExitStack() as stack:
            runs = [await stack.enter_async_context(self._child(draw)) for draw in due]
            pairs = zip(due, runs, strict=True)
            nodes = await together(self._writer.write(self.tree, draw, run) for draw, run in pairs)
            await self.meeting.wait()
            raters = {
                node.key: (node, run) for node, run in zip(nodes, runs, strict=True) if isinstance(node, Node)
            }
            rated = await together(self._writer.rate(self.tree, node, run) for node, run in raters.values())
            await self.meeting.wait()
        by_key = {node.key: node for node in rated}
        for draw, node in zip(due, nodes, strict=True):
            self._add(draw, by_key[node.key] if isinstance(node, Node) else None)


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what all of them return, in order, once the last has returned."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in work]
    return [task.result() for task in tasks]


@dataclass(frozen=True, kw_only=True)
class ByLevel(StepOptions):
    """Lets a strategy search with barriers."""

    meeting: Meeting | None = field(default=None, compare=False, repr=False)
    """``None``: each question has its own."""

    def search(self, run: Run, planner: Planner) -> Search:
        """Return a search with barriers of the run's problem."""
        search = LevelSearch(run, planner, self.writer(), choice=self.choice)
        search.meeting = self.meeting or Meeting(1)
        return search


@dataclass(frozen=True, kw_only=True)
class RebaseByLevel(ByLevel, Rebase):
    """REBASE with barriers."""


@dataclass(frozen=True, kw_only=True)
class BeamSearchByLevel(ByLevel, BeamSearch):
    """Beam search with barriers."""


@dataclass(frozen=True, kw_only=True)
class DVTSByLevel(ByLevel, DVTS):
    """DVTS with barriers."""


WITH_BARRIERS: Final[
    Mapping[type[object], type[RebaseByLevel] | type[BeamSearchByLevel] | type[DVTSByLevel]]
] = {
    Rebase: RebaseByLevel,
    BeamSearch: BeamSearchByLevel,
    DVTS: DVTSByLevel,
}


def strategies_of(spec: str, way: Way, num_questions: int) -> list[Strategy]:
    """Return a strategy for each question, to be run at once."""
    free = create_strategy(spec)
    if way == "free":
        return [free] * num_questions
    assert isinstance(free, StepOptions)
    options = {one.name: getattr(free, one.name) for one in fields(free)}
    meeting = Meeting(num_questions) if way == "level" else None
    return [WITH_BARRIERS[type(free)](**options, meeting=meeting)] * num_questions


# ── passes ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """All questions, searched in one way."""

    seconds: float
    generated: int
    """Tokens of steps."""
    num_nodes: int
    answers: tuple[str | None, ...]

    @property
    def same(self) -> tuple[object, ...]:
        """What no barrier may change."""
        return self.generated, self.num_nodes, self.answers


async def search_all(engine: Engine, problems: Sequence[Problem], spec: str, way: Way) -> Pass:
    """Search all problems at once.

    Raises:
        RuntimeError: a search failed.
    """
    clock = asyncio.get_running_loop().time
    strategies = strategies_of(spec, way, len(problems))
    began = clock()
    outcomes = await together(
        engine.solve(problem, strategy=strategy) for problem, strategy in zip(problems, strategies, strict=True)
    )
    seconds = clock() - began
    for outcome in outcomes:
        if outcome.stop_reason != "finished":
            raise RuntimeError(f"a search ended with {outcome.stop_reason!r}: {outcome.error}")
    return Pass(
        seconds=seconds,
        generated=sum(outcome.usage.generated for outcome in outcomes),
        num_nodes=sum(span["kind"] == "node" for outcome in outcomes for span in outcome.trace),
        answers=tuple(outcome.key for outcome in outcomes),
    )


def check_same(passes: Mapping[Way, Pass]) -> None:
    """Refuse to compare searches that did not come to the same.

    Raises:
        AssertionError: they did not.
    """
    free = passes["free"]
    for way, other in passes.items():
        if other.same != free.same:
            raise AssertionError(
                f"searches with barriers ({way}) came to {other.generated} tokens in {other.num_nodes} nodes, "
                f"the free ones to {free.generated} in {free.num_nodes}, or to other answers"
            )


def ratios(turns: Sequence[Mapping[Way, Pass]], way: Way) -> list[float]:
    """Return how many times faster the free search was, turn by turn."""
    return [passes[way].seconds / passes["free"].seconds for passes in turns]


def row(name: str, turns: Sequence[Mapping[Way, Pass]]) -> str:
    """Return a line of the table: median seconds, median ratios, and what was done."""
    free = turns[0]["free"]
    cells = [name, f"{free.generated:,}", f"{free.num_nodes:,}"]
    cells += [f"{statistics.median(passes[way].seconds for passes in turns):.1f}" for way in WAYS]
    for way in WAYS[1:]:
        found = ratios(turns, way)
        spread = f" ({min(found):.2f} to {max(found):.2f})" if len(found) > 1 else ""
        cells.append(f"{statistics.median(found):.2f}{spread}")
    return f"| {' | '.join(cells)} |"


HEAD: Final = (
    "| search | tokens | steps | free, s | level, s | question, s | level / free | question / free |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|"
)


# ── the scripted engine ───────────────────────────────────────────────────────────────────────────────────────


def writing(*, median: float, spread: float) -> Rule:
    """Return who writes steps of log-normal length; a question's number is all that the question says.

    Args:
        median: tokens of a step, > 0.
        spread: standard deviation of the logarithm.
    """

    def rule(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        draw = random.Random(seed)
        written = prompt.messages[-1].content if prompt.messages[-1].role == "assistant" else ""
        depth = written.count("\n") + 1
        own = random.Random(f"steps of {prompt.question}").gauss(NUM_STEPS[0], NUM_STEPS[1])
        is_end = draw.random() < chance_of_end(depth, own)
        text = f"\\boxed{{{draw.randrange(4)}}}" if is_end else f"{seed}\n"
        num_tokens = round(draw.lognormvariate(math.log(median), spread))
        return Reply(text, num_tokens=max(len(text), num_tokens))

    return rule


def chance_of_end(depth: int, mean: float) -> float:
    """Return the probability that a solution which has got to a depth ends there.

    Args:
        depth: >= 1.
        mean: steps of the problem's solutions, which are normally spread by `NUM_STEPS`.
    """
    spread = statistics.NormalDist(mean, NUM_STEPS[2])
    reached, gone_on = 1.0 - spread.cdf(depth - 0.5), 1.0 - spread.cdf(depth + 0.5)
    return 1.0 if depth >= _MOST_STEPS or reached <= 0.0 else 1.0 - gone_on / reached


def judging(seconds: float) -> Rule:
    """Return who scores the newest step, by its text alone; most are good (Beta(3, 1))."""

    def rule(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        right = random.Random(prompt.messages[-1].content).betavariate(3.0, 1.0)
        both = sorted({"+": right, "-": 1.0 - right}.items(), key=lambda item: -item[1])
        logprobs = {sign: math.log(max(value, 1e-12)) for sign, value in both}
        return Reply(both[0][0], seconds=seconds, top_logprobs=[logprobs])

    return rule


async def virtual_turn(
    spec: str, *, num_questions: int, batch_size: int, judge_seconds: float, median: float, spread: float
) -> dict[Way, Pass]:
    """Search scripted questions in all ways."""
    problems = [Problem.ask(f"question {number}", id=f"q{number}") for number in range(num_questions)]
    passes = dict[Way, Pass]()
    for way in WAYS:
        writer = FakeBackend(
            writing(median=median, spread=spread), batch_size=batch_size, seconds_per_token=SECONDS_PER_TOKEN
        )
        judge = FakeBackend(judging(judge_seconds), batch_size=JUDGE_SEATS)
        async with Engine(writer, models={"judge": judge}) as engine:
            passes[way] = await search_all(engine, problems, spec, way)
    return passes


def on_virtual_clock(arguments: argparse.Namespace) -> None:
    """Print one table a size of the batch and a time that a score takes."""
    for batch_size in arguments.batch:
        for seconds in arguments.judge_seconds:
            print(f"\nbatch of {batch_size}; a score takes {seconds:g} s, {JUDGE_SEATS} at once\n\n{HEAD}")
            for name, spec in specs(arguments, "judge", "max_step_tokens=null").items():
                turn = virtual_turn(
                    spec,
                    num_questions=arguments.questions,
                    batch_size=batch_size,
                    judge_seconds=seconds,
                    median=math.exp(STEP_TOKENS[0]),
                    spread=STEP_TOKENS[1],
                )
                passes = run_virtual(turn)
                check_same(passes)
                print(row(name, [passes]), flush=True)


# ── the real one ──────────────────────────────────────────────────────────────────────────────────────────────


def held_out(num_questions: int) -> list[Problem]:
    """Return held-out problems, half of them countdowns, half sums."""
    found = list[Problem]()
    for name, limit in (("countdown", (num_questions + 1) // 2), ("chain_sum", num_questions // 2)):
        parameters = ",".join(f"{key}={value}" for key, value in EVALUATION_CONFIGS[name].items())
        found += create_benchmark(f"{name}:{parameters}").problems(limit=limit)
    return found


async def real_turns(arguments: argparse.Namespace, spec: str, engine: Engine) -> list[dict[Way, Pass]]:
    """Let the ways take turns, each of them first now and then; a first turn warms up and is not counted."""
    problems, turns = held_out(arguments.questions), list[dict[Way, Pass]]()
    for number in range(arguments.turns + 1):
        first = number % len(WAYS)
        passes = dict[Way, Pass]()
        for way in WAYS[first:] + WAYS[:first]:
            passes[way] = await search_all(engine, problems, spec, way)
        check_same(passes)
        turns.append(passes)
        seconds = ", ".join(f"{way} {passes[way].seconds:.1f} s" for way in WAYS)
        print(f"turn {number}, load {os.getloadavg()[0]:.1f}: {seconds}", file=sys.stderr, flush=True)
    return turns[1:]


async def on_vllm(arguments: argparse.Namespace) -> None:
    """Print the table."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start\n\n{HEAD}")
    async with Engine(load_backend(arguments.model)) as engine:
        for name, spec in specs(arguments, arguments.judge, arguments.options).items():
            turns = await real_turns(arguments, spec, engine)
            print(row(name, turns), flush=True)


def specs(arguments: argparse.Namespace, judge: str, options: str) -> dict[str, str]:
    """Return the strategies to run, by name."""
    others = f",{options}" if options else ""
    return {
        name: f"{name}:width={arguments.width},verifier=prm:model={judge}{others}" for name in arguments.search
    }


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--engine", choices=("virtual", "vllm"), default="virtual", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--search",
        nargs="+",
        default=["rebase", "beam_search", "dvts"],
        choices=["rebase", "beam_search", "dvts"],
    )
    parser.add_argument("--questions", type=int, default=32, help="at once (default: %(default)s)")
    parser.add_argument("--width", type=int, default=16, help="(default: %(default)s)")
    virtual = parser.add_argument_group("virtual")
    virtual.add_argument("--batch", type=int, nargs="+", default=[64, 256], help="(default: 64 256)")
    virtual.add_argument(
        "--judge-seconds", type=float, nargs="+", default=[0.05, 0.0], help="for a score (default: 0.05 0)"
    )
    real = parser.add_argument_group("vllm")
    real.add_argument("--model", default="vllm:abacus", metavar="URI", help="(default: %(default)s)")
    real.add_argument("--judge", default="vllm:abacus-judge", metavar="URI", help="(default: %(default)s)")
    real.add_argument("--turns", type=int, default=5, help="after one that warms up (default: %(default)s)")
    real.add_argument("--options", default="", help="of the strategies, max_step_tokens=30 say")
    arguments = parser.parse_args()
    if arguments.engine == "virtual":
        on_virtual_clock(arguments)
    else:
        asyncio.run(on_vllm(arguments))


if __name__ == "__main__":
    main()
