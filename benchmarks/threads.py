"""What threads are worth, and what they take: `python benchmarks/threads.py`.

*Accuracy.* Countdown by APR: the root calls sub searches, these run at once. It is compared, on the same
held-out problems and with 95 % intervals,

- at equal total tokens with `self_consistency`, for one root and for several that vote;
- at an equal critical path, ``--path`` generated tokens one after another, with what the same model does in
  sequence: attempts one after the other that vote, and the very same search with its branches one after the
  other, which is over when the path is used up. A vote side by side has a short path whatever its width; it
  is in the table too.

Rows that are checked are told by the problems' own checker which answers are right, as a program can tell of
countdown, and end with the first that is; `apr_checked` carries out the operations of its own paths.

*Clock.* Each problem alone on the engine: seconds of a run with its branches at once, over seconds of the calls
on its longest path alone, one after the other: header, longest branch, and what follows the join, whose prompt
has to be read. Both begin with an empty prefix cache, and take turns. Decoding is greedy, so both write the
same tokens.

*Prompt tokens* of the same runs: what the engine computed, over what an engine computes at the least that
keeps whole blocks of keys and values (`Outcome.work.sharing`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Final, cast

from ttscale import Engine, Outcome, Problem, Prompt, Sampling, load_backend
from ttscale.backends.base import Generation, Request
from ttscale.backends.vllm import VLLMBackend
from ttscale.registry import create_strategy, create_verifier
from ttscale.run import Run
from ttscale.strategies import Threads
from ttscale.strategy import Strategy
from ttscale.types import JSON
from ttscale.verifier import Verifier
from ttscale_evals.benchmarks import Benchmark, create_benchmark
from ttscale_evals.stats import paired_difference, wilson_interval
from ttscale_strategies.voting.poll import Poll

SETS: Final = {
    "countdown3": "countdown:min_numbers=3,max_numbers=3",
    "countdown4": "countdown:min_numbers=4,max_numbers=4",
}
CLOCKS: Final = {
    "apr": "countdown:min_numbers=3,max_numbers=4",
    "outlines": "chain_sum:min_terms=6,max_terms=8,min_digits=2,max_digits=2",
}
"""Sets on which the protocols are timed."""
TABLES: Final = ("accuracy", "clock")


# ── what is compared ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class InTurn:
    """Attempts one after the other that vote, until the path is used up; the last one is cut."""

    path: int
    temperature: float | None = None
    verifier: Verifier | None = None
    """Ends it with the first attempt that it accepts; no other counts then."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def max_samples(self) -> None:
        """Return ``None``: attempts may be short."""
        return

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Draw while tokens are left."""
        poll = Poll(run)
        while (left := self.path - run.critical_path_tokens) > 0:
            sampling = Sampling(max_tokens=left, temperature=self.temperature)
            async with run.sample(problem.prompt, sampling=sampling) as samples:
                sample = await anext(samples)
            if self.verifier is None:
                await poll.add(sample)
                continue
            (score,) = await run.score([sample], self.verifier)
            if score.value == score.high:
                await poll.add(sample)
                break
        return poll.outcome()


@dataclass(frozen=True, kw_only=True)
class BranchesInTurn:
    """The search that `threads` makes, as if its branches came one after the other on one path.

    Branches know nothing of each other, so their texts are the same: it has an answer if all its tokens fit.
    """

    threads: Threads
    path: int

    needs: ClassVar[frozenset[str]] = Threads.needs

    def max_samples(self) -> int:
        """Return what threads return."""
        return self.threads.max_samples()

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Search, and see how long that is in sequence."""
        outcome = await self.threads.solve(problem, run)
        generated = run.budget.usage.generated
        run.critical_path_tokens = min(generated, self.path)
        return outcome if generated <= self.path else Outcome(answer=None)


def rows(options: argparse.Namespace) -> dict[str, Strategy]:
    """Return what is compared, by name; the first is what the others are compared with."""
    path, n, heat = options.path, options.roots, options.temperature
    one = Threads(protocol="apr", temperature=0.0, max_tokens=path)
    several = Threads(protocol="apr", n=n, temperature=heat, max_tokens=path)
    checker, few, many = create_verifier("reasoning_gym"), options.few, options.few * n
    return {
        f"threads: apr, n={n}, checked": replace(several, verifier=checker),
        f"threads: apr_checked, n={n}": replace(several, protocol="apr_checked"),
        f"threads: apr, n={n}": several,
        "threads: apr, greedy": one,
        "the same search, branches in turn": BranchesInTurn(threads=one, path=path),
        "single, greedy": create_strategy("single:temperature=0"),
        "attempts in turn": InTurn(path=path),
        "attempts in turn, checked": InTurn(path=path, verifier=checker),
        f"self_consistency: n={few}": create_strategy(f"self_consistency:n={few},stop=never"),
        f"self_consistency: n={many}": create_strategy(f"self_consistency:n={many},stop=never"),
        f"best_of_n: n={many}, checked": create_strategy(f"best_of_n:n={many},verifier=reasoning_gym"),
    }


# ── accuracy ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of one problem."""

    correct: bool
    answered: bool
    tokens: int
    generated: int
    path: int


async def answered(
    engine: Engine, benchmark: Benchmark, problem: Problem, strategy: Strategy, seed: int
) -> Answered:
    """Have one problem solved and graded.

    Raises:
        RuntimeError: it failed.
    """
    outcome = await engine.solve(problem, strategy=strategy, seed=seed)
    if outcome.error is not None:
        raise RuntimeError(outcome.error)
    grade = await benchmark.grade(problem, outcome.answer, engine.workers)
    return Answered(
        correct=grade.correct,
        answered=outcome.answer is not None,
        tokens=outcome.usage.tokens,
        generated=outcome.usage.generated,
        path=outcome.critical_path_tokens,
    )


async def accuracy(engine: Engine, name: str, options: argparse.Namespace) -> None:
    """Print the table of one set."""
    benchmark = create_benchmark(SETS[name])
    problems = list(benchmark.problems(limit=options.questions, seed=options.seed))
    print(f"\n{name}: {len(problems)} problems, a path of {options.path} tokens\n")
    print("| strategy | accuracy | answered | tokens | generated | longest path | threads less this |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    reference: list[Answered] = []
    for label, strategy in rows(options).items():
        if options.only not in label:
            continue
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(answered(engine, benchmark, problem, strategy, options.seed))
                for problem in problems
            ]
        found = [task.result() for task in tasks]
        reference = reference or found
        print(line(label, found, reference), flush=True)
        if options.out is not None:
            with options.out.open("a") as file:
                file.write(json.dumps({"set": name, "row": label, "found": [*map(asdict, found)]}) + "\n")


def line(label: str, found: Sequence[Answered], reference: Sequence[Answered]) -> str:
    """Return a row of the table."""
    interval = wilson_interval(sum(one.correct for one in found), len(found))
    gap = ""
    if found is not reference:
        ours, theirs = ([float(one.correct) for one in side] for side in (reference, found))
        paired = paired_difference(ours, theirs, seed=0)
        low, high = paired.interval.low, paired.interval.high
        gap = f"{100 * paired.difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
    return (
        f"| {label} | {_percent([one.correct for one in found])} "
        f"[{100 * interval.low:.1f}, {100 * interval.high:.1f}] | {_percent([one.answered for one in found])} "
        f"| {_mean([one.tokens for one in found])} | {_mean([one.generated for one in found])} "
        f"| {_mean([one.path for one in found])} | {gap} |"
    )


def _percent(values: Sequence[bool]) -> str:
    return f"{100 * statistics.fmean(values):.1f} %"


def _mean(values: Sequence[int]) -> str:
    return f"{statistics.fmean(values):,.0f}"


# ── the clock ─────────────────────────────────────────────────────────────────────────────────────────────────


class Watched(VLLMBackend):
    """An engine that keeps what it was asked."""

    asked: dict[int, Request]
    """By seed."""

    def generate(self, request: Request) -> Generation:
        """Generate, see `VLLMBackend.generate`."""
        self.asked = {**getattr(self, "asked", {}), **dict.fromkeys(request.seeds, request)}
        return super().generate(request)

    async def forget(self) -> None:
        """Empty the prefix cache."""
        inner = cast("Any", self.engine)._engine  # it has no name of its own: nothing but this wants it
        if not await inner.reset_prefix_cache():
            raise RuntimeError("the prefix cache could not be emptied")


@dataclass(frozen=True, slots=True)
class Call:
    """One call on the longest path."""

    prompt: Prompt
    sampling: Sampling


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Calls one after the other."""

    calls: tuple[Call, ...] = field(repr=False)

    needs: ClassVar[frozenset[str]] = frozenset()

    def max_samples(self) -> int:
        """Return the number of calls."""
        return len(self.calls)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Make them."""
        for call in self.calls:
            async with run.sample(call.prompt, sampling=call.sampling) as samples:
                await anext(samples)
        return Outcome(answer=None)


def longest_path(engine: Watched, outcome: Outcome) -> Chain:
    """Return the calls on the longest path of a trace with one level of branches, from its spans."""
    threads = {span["id"]: _attributes(span) for span in outcome.trace if span["kind"] == "thread"}
    samples = [span for span in outcome.trace if span["kind"] == "sample"]
    chosen = list[Mapping[str, JSON]]()
    branches = dict[JSON, list[Mapping[str, JSON]]]()
    for span in samples:
        found = threads.get(span["parent"], {})
        if found.get("depth"):
            branches.setdefault(found.get("fork"), []).append(span)
        else:
            chosen.append(span)
    chosen += [max(group, key=lambda span: _whole(span, "generated")) for group in branches.values()]
    chosen.sort(key=lambda span: (_number(span, "began"), _whole(span, "generated")))
    calls = list[Call]()
    for span in chosen:
        request = engine.asked[_whole(span, "seed")]
        calls.append(Call(request.prompt, replace(request.sampling, max_tokens=_whole(span, "generated"))))
    return Chain(calls=tuple(calls))


def _attributes(span: Mapping[str, JSON]) -> Mapping[str, JSON]:
    return cast("Mapping[str, JSON]", span["attributes"])


def _whole(span: Mapping[str, JSON], name: str) -> int:
    return cast("int", _attributes(span)[name])


def _number(span: Mapping[str, JSON], name: str) -> float:
    return cast("float", _attributes(span)[name])


async def clock(backend: Watched, engine: Engine, protocol: str, options: argparse.Namespace) -> str:
    """Return the row of one protocol: seconds, and prompt tokens."""
    benchmark = create_benchmark(CLOCKS[protocol])
    problems = list(benchmark.problems(limit=options.clocked + 1, seed=options.seed))
    strategy = Threads(protocol=protocol, temperature=0.0)
    ratios, seconds = list[float](), [0.0, 0.0]
    computed = least = branches = written = 0
    for number, problem in enumerate(problems):  # the first one warms up
        await backend.forget()
        outcome = await engine.solve(problem, strategy=strategy)
        chain = longest_path(backend, outcome)
        turns = list[tuple[float, float]]()
        for turn in range(options.turns):
            for which in (0, 1) if turn % 2 else (1, 0):
                await backend.forget()
                made = await engine.solve(problem, strategy=chain if which else strategy)
                turns.append((float(which), made.seconds))
        if not number or not _forked(outcome):
            continue
        mine, path = (statistics.median(s for which, s in turns if which == side) for side in (0.0, 1.0))
        ratios.append(mine / path)
        seconds = [seconds[0] + mine, seconds[1] + path]
        assert outcome.work is not None
        assert outcome.work.sharing is not None
        computed += outcome.work.sharing.computed
        least += outcome.work.sharing.unshared_in_blocks or 0
        branches += _forked(outcome)
        written += outcome.usage.generated
    return (
        f"| {protocol} | {len(ratios)} | {branches / len(ratios):.1f} | {written / len(ratios):.0f} "
        f"| {1000 * seconds[0] / len(ratios):.0f} | {1000 * seconds[1] / len(ratios):.0f} "
        f"| {seconds[0] / seconds[1]:.3f} | {statistics.median(ratios):.3f} | {max(ratios):.3f} "
        f"| {computed:,} | {least:,} | {computed / least:.3f} |"
    )


def _forked(outcome: Outcome) -> int:
    """Return how many branches ran."""
    return sum(span["kind"] == "thread" and bool(_attributes(span).get("depth")) for span in outcome.trace)


async def measure(options: argparse.Namespace) -> None:
    """Print the tables."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    given = load_backend(options.model)
    if not isinstance(given, VLLMBackend):
        raise SystemExit("the clock is measured on vLLM; give a vllm: model")
    backend = Watched(given.model)
    async with Engine(backend, max_in_flight=options.in_flight) as engine:
        if "accuracy" in options.tables:
            for name in options.sets:
                await accuracy(engine, name, options)
        if "clock" in options.tables:
            print(
                "\n| protocol | problems | branches | tokens | threads, ms | longest path, ms | ratio | median "
                "| greatest | prompt tokens computed | least | ratio |"
            )
            print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
            for protocol in CLOCKS:
                print(await clock(backend, engine, protocol, options), flush=True)
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vllm:abacus", metavar="URI", help="(default: %(default)s)")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--sets", nargs="+", choices=sorted(SETS), default=sorted(SETS))
    parser.add_argument(
        "--only", default="", help="rows of accuracy whose names have this in them (default: all)"
    )
    parser.add_argument("--questions", type=int, default=100, help="of each set (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=40_000, help="(default: %(default)s)")
    parser.add_argument("--path", type=int, default=360, help="tokens of a path (default: %(default)s)")
    parser.add_argument("--roots", type=int, default=6, help="that vote (default: %(default)s)")
    parser.add_argument("--temperature", type=float, default=0.6, help="of votes (default: %(default)s)")
    parser.add_argument(
        "--few", type=int, default=14, help="samples for a root's tokens (default: %(default)s)"
    )
    parser.add_argument("--clocked", type=int, default=20, help="problems timed (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="of each problem (default: %(default)s)")
    parser.add_argument("--in-flight", type=int, default=128, help="samples at once (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="JSON lines to add each row's problems to")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
