"""What tree search makes of vLLM's prefix cache: `python benchmarks/search_cache.py`.

*Prompt tokens.* A search asks for each step with all that stands before it as the prompt, and a judge of steps
reads all of it too. Printed is, for the model that writes and the one that judges, how many prompt tokens the
engine computed, over what an engine computes at the least that keeps whole blocks of keys and values and begins
each prompt behind the longest run of blocks that an earlier prompt, or its answer, of the same question left
there. The engine's count is its own; the least is counted twice, by ttscale (`Outcome.work`) and here, from the
trees alone. Each search gets questions of its own, so that nothing is in the cache beforehand.

*Speed.* Generated tokens a second of a search, over those of samples that are written in one go: as many of the
same questions, at the same time, on the same engine, in paired turns. They are compared twice:

- as they are: `abacus` writes steps of about ten tokens, and its samples have about as many tokens in all as
  the paths of the search; with ``--step-tokens`` a step has so many tokens instead;
- in 8 steps of 30 tokens, against samples of 240: a model of the same size with random weights, which is kept
  from ending, so that all lengths are exact. Steps of models that tree searches are used with are longer yet.

Beside them stands what the engine can do at all with a request a step: as many chains without any search,
straight through vLLM, each sent again, as token ids, when a step of it ends.

A verifier that costs nothing rates the steps there, so that all work is generation; with ``--judge-speed`` it
is also measured with the judge, which takes its share of the processor.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import platform
import statistics
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from ttscale import Engine, Outcome, Problem, Sampling, load_backend
from ttscale.backends.vllm import VLLMBackend
from ttscale.evals import create_benchmark
from ttscale.reference.problems import EVALUATION_CONFIGS
from ttscale.registry import create_verifier, load_template
from ttscale.run import Run, derive_seed
from ttscale.steps import split_steps
from ttscale.strategies import BeamSearch, Rebase
from ttscale.strategy import Strategy
from ttscale.template import steps_prompt
from ttscale.types import JSON, Sample, Score
from ttscale.verifier import Example, Verifier
from ttscale_strategies.search._options import StepOptions
from ttscale_strategies.search.driver import Search
from ttscale_strategies.search.planner import Planner
from ttscale_strategies.search.steps import StepWriter
from ttscale_strategies.search.tree import ROOT

if TYPE_CHECKING:
    from vllm import SamplingParams

T = TypeVar("T")

TABLES: Final = ("tokens", "speed", "fixed")

STEP_TOKENS: Final = 30
NUM_STEPS: Final = 8
NEVER: Final = "<no step ends so>"


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what all of them return, in order."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in work]
    return [task.result() for task in tasks]


class Questions:
    """Held-out problems of some sets by turns, each handed out once."""

    def __init__(self, sets: Sequence[str]) -> None:
        made = list[list[Problem]]()
        for name in sets:
            parameters = ",".join(f"{key}={value}" for key, value in EVALUATION_CONFIGS[name].items())
            made.append(list(create_benchmark(f"{name}:{parameters}").problems()))
        self._left = [problem for pair in zip(*made, strict=True) for problem in pair]

    def next(self, count: int) -> list[Problem]:
        """Return problems that were not returned before.

        Raises:
            ValueError: there are not so many left.
        """
        if count > len(self._left):
            raise ValueError("all held-out problems have been used; ask for fewer questions or turns")
        taken, self._left = self._left[:count], self._left[count:]
        return taken


# ── what is run ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Watched(StepOptions):
    """A search whose trees are kept."""

    searches: dict[str, Search] = field(default_factory=dict[str, Search], compare=False, repr=False)
    """By problem."""
    has_fixed_steps: bool = False
    """Whether its last step is no longer than the others."""

    def search(self, run: Run, planner: Planner) -> Search:
        """Return a search of the run's problem."""
        found = self.searches[run.problem.id] = super().search(run, planner)
        return found

    def writer(self) -> StepWriter:
        """Return who writes the steps."""
        given = super().writer()
        options = {one.name: getattr(given, one.name) for one in fields(given)}
        return FixedSteps(**options) if self.has_fixed_steps else given


@dataclass(frozen=True, kw_only=True)
class FixedSteps(StepWriter):
    """Writes the last step as any other."""

    def _sampling(self, *, to_end: bool) -> Sampling:
        return super()._sampling(to_end=False)


@dataclass(frozen=True, kw_only=True)
class WatchedRebase(Watched, Rebase):
    """REBASE, watched."""


@dataclass(frozen=True, kw_only=True)
class WatchedBeamSearch(Watched, BeamSearch):
    """Beam search, watched."""


SEARCHES: Final[Mapping[str, type[WatchedRebase] | type[WatchedBeamSearch]]] = {
    "rebase": WatchedRebase,
    "beam_search": WatchedBeamSearch,
}


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Draws samples in one go and makes nothing of them."""

    n: int
    sampling: Sampling

    needs: ClassVar[frozenset[str]] = frozenset()

    def max_samples(self) -> int:
        """Return n."""
        return self.n

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Draw."""
        async with run.sample(problem.prompt, n=self.n, sampling=self.sampling) as samples:
            async for sample in samples:
                if sample.is_error:
                    raise RuntimeError(sample.error)
        return Outcome(answer=None)


@dataclass(frozen=True, kw_only=True)
class Free:
    """Scores a text by its digest: as good as chance, and it costs nothing."""

    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        """Return a score a sample."""
        digests = (hashlib.blake2b(sample.text.encode(), digest_size=4).digest() for sample in samples)
        return [Score(value=int.from_bytes(digest, "big") / 2**32) for digest in digests]

    def examples(self) -> Sequence[Example]:
        """Return none: it knows nothing."""
        return ()


async def run_all(
    engine: Engine, problems: Sequence[Problem], strategy: Strategy, *, seed: int = 0
) -> tuple[list[Outcome], float]:
    """Solve all problems at once; return the outcomes, and generated tokens a second.

    Raises:
        RuntimeError: one failed.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    outcomes = await together(engine.solve(one, strategy=strategy, seed=seed) for one in problems)
    seconds = clock() - began
    if failed := [outcome.error for outcome in outcomes if outcome.error is not None]:
        raise RuntimeError(failed[0])
    return outcomes, sum(outcome.usage.generated for outcome in outcomes) / seconds


# ── prompt tokens ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Call:
    """One prompt that a model was given."""

    began: float
    prompt: tuple[int, ...]
    generated: tuple[int, ...]


def least_computed(calls: Iterable[Call], block: int) -> int:
    """Return the prompt tokens that an engine has to compute which keeps whole blocks of tokens.

    It keeps those of prompts and answers, but not the last token of an answer, which it never reads; and it
    always computes the last token of a prompt.

    Args:
        calls: of one question to one model.
        block: tokens of a block, >= 1.
    """
    known, total = set[tuple[int, ...]](), 0
    for call in sorted(calls, key=lambda call: call.began):
        at = 0
        while at + block < len(call.prompt) and call.prompt[: at + block] in known:
            at += block
        total += len(call.prompt) - at
        whole = call.prompt + call.generated[:-1]
        known |= {whole[:end] for end in range(block, len(whole) + 1, block)}
    return total


def calls_of(
    engine: Engine, problem: Problem, search: Search, trace: Sequence[Mapping[str, JSON]], judge: str
) -> dict[str, list[Call]]:
    """Return what the two models were given in the search of a problem, worked out from its tree.

    Args:
        engine: encodes.
        problem: that was searched.
        search: with its tree.
        trace: of its outcome; says when each call began.
        judge: URI of the model that judges.
    """
    asked = engine.backend.encode(problem.prompt).token_ids or ()
    template, judging = load_template("judge_steps"), engine.room.rooms.backend(judge)
    found: dict[str, list[Call]] = {"": [], judge: []}
    for span in trace:
        began = attributes_of(span).get("began")
        if span["kind"] != "sample" or not isinstance(began, float):
            continue
        node, is_written = node_of(span, trace)
        key, parent = str(node["node"]), str(node["parent_node"] or ROOT)
        if is_written:
            before = [token for one in search.tree.path(parent) for token in one.token_ids]
            call = Call(began, asked + tuple(before), search.tree.nodes[key].token_ids)
        else:
            steps = split_steps(search.tree.text(key), "\n")
            prompt = judging.encode(steps_prompt(template, problem.prompt.question, steps))
            call = Call(began, prompt.token_ids or (), ())
        found["" if is_written else judge].append(call)
    return found


def attributes_of(span: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """Return what a span says of itself."""
    attributes = span["attributes"]
    assert isinstance(attributes, Mapping)
    return attributes


def node_of(span: Mapping[str, JSON], trace: Sequence[Mapping[str, JSON]]) -> tuple[Mapping[str, JSON], bool]:
    """Return what the span of the node around a sample says, and whether the sample wrote the node itself."""
    parent, is_written = trace[_whole(span["parent"])], True
    while parent["kind"] != "node":
        parent, is_written = trace[_whole(parent["parent"])], False
    return attributes_of(parent), is_written


def _whole(value: JSON) -> int:
    assert isinstance(value, int)
    return value


async def prompt_tokens(
    engine: Engine, problems: Sequence[Problem], name: str, options: argparse.Namespace
) -> list[str]:
    """Search problems, and return a line for each model and one for both.

    Raises:
        AssertionError: the two ways of counting the least do not agree.
    """
    verifier = create_verifier(f"prm:model={options.judge}")
    strategy = SEARCHES[name](width=options.width, verifier=verifier)
    outcomes, _ = await run_all(engine, problems, strategy)
    computed, least, ours = dict[str, int](), dict[str, int](), dict[str, int]()
    total = dict[str, int]()
    for problem, outcome in zip(problems, outcomes, strict=True):
        calls = calls_of(engine, problem, strategy.searches[problem.id], outcome.trace, options.judge)
        for model, given in calls.items():
            assert outcome.work is not None
            sharing = outcome.work.sharing_by_model[model]
            backend = engine.room.rooms.backend(model or None)
            block = backend.profile.prefix_block
            assert block is not None
            assert sharing.unshared_in_blocks is not None
            for count, value in (
                (total, sum(len(call.prompt) for call in given)),
                (computed, sharing.computed),
                (least, sharing.unshared_in_blocks),
                (ours, least_computed(given, block)),
            ):
                count[model] = count.get(model, 0) + value
    if ours != least:
        raise AssertionError(
            f"ttscale counts {least} tokens that must be computed, from the trees it is {ours}"
        )
    rows = [(model or "writer", total[model], computed[model], least[model]) for model in computed]
    rows.append(("both", sum(total.values()), sum(computed.values()), sum(least.values())))
    return [f"| {name} | {model} | {n:,} | {c:,} | {i:,} | {c / i:.3f} |" for model, n, c, i in rows]


# ── speed ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Endless(VLLMBackend):
    """A model with random weights that no sample of ends before its greatest length."""

    async def start(self) -> None:
        """Start; see `VLLMBackend.start`."""
        await super().start()
        params = self.engine.params

        def endless(sampling: Sampling, seed: int, *, stream: bool, detokenize: bool) -> SamplingParams:
            made = params(sampling, seed, stream=stream, detokenize=detokenize)
            made.ignore_eos = True
            return made

        setattr(self.engine, "params", endless)  # noqa: B010  # a method, to a type checker

    @classmethod
    def like(cls, model: str) -> Endless:
        """Return one of the size of another model."""
        given = load_backend(model)
        assert isinstance(given, VLLMBackend)
        return cls(given.model, engine_args={"load_format": "dummy"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A search, and samples it is compared with."""

    name: str
    search: Strategy
    whole: Whole
    step: Sampling
    """Ends a step."""
    max_steps: int | None = None


async def resubmitted(engine: Engine, problems: Sequence[Problem], pair: Pair, seed: int) -> float:
    """Write chains of steps through vLLM alone, a request a step; return generated tokens a second."""
    backend = engine.backend
    assert isinstance(backend, VLLMBackend)
    vllm, profile = backend.engine, backend.profile
    own = replace(pair.step, temperature=profile.temperature, top_p=profile.top_p, top_k=profile.top_k)

    async def chain(prompt: Sequence[int], name: str) -> int:
        async with window:
            return await steps_of(prompt, name)

    async def steps_of(prompt: Sequence[int], name: str) -> int:
        whole, goes_on, steps = list(prompt), True, 0
        while goes_on:
            room = vllm.context_length - len(whole)
            sampling = replace(own, max_tokens=min(room, own.max_tokens or room))
            params = vllm.params(
                sampling, derive_seed(seed, name, steps), stream=False, detokenize=bool(own.stop)
            )
            async with aclosing(vllm.outputs(whole, params, f"{name}-{steps}")) as outputs:
                completion = [output async for output in outputs][-1].outputs[0]
            whole += completion.token_ids
            steps += 1
            is_cut = completion.finish_reason == "length" or backend.decode(whole).endswith(own.stop)
            goes_on = is_cut and steps != pair.max_steps and len(whole) < vllm.context_length
        return len(whole) - len(prompt)

    clock, window = asyncio.get_running_loop().time, asyncio.Semaphore(backend.batch_size)
    began = clock()
    tokens = await together(
        chain(backend.encode(problem.prompt).token_ids or (), f"{pair.name}-{seed}-{problem.id}-{number}")
        for problem in problems
        for number in range(pair.whole.n)
    )
    return sum(tokens) / (clock() - began)


def as_they_are(options: argparse.Namespace) -> list[Pair]:
    """Return searches in steps as the model writes them, or of so many tokens of what it writes."""
    length: int | None = options.step_tokens
    whole = Whole(n=options.width, sampling=Sampling())
    step = Sampling(stop=("\n",)) if length is None else Sampling(max_tokens=length)
    raters: dict[str, Verifier] = {"": Free()}
    if options.judge_speed:
        raters[", with the judge"] = create_verifier(f"prm:model={options.judge}")
    found = list[Pair]()
    for name, make in SEARCHES.items():
        for rated, rater in raters.items():
            search = make(width=options.width, verifier=rater)
            if length is not None:
                search = replace(search, delimiter=NEVER, max_step_tokens=length)
            found.append(Pair(name=name + rated, search=search, whole=whole, step=step))
    return found


def fixed(options: argparse.Namespace) -> list[Pair]:
    """Return searches in steps of one length."""
    sampling = Sampling(max_tokens=STEP_TOKENS * NUM_STEPS)
    return [
        Pair(
            name=f"{name}, {NUM_STEPS} × {STEP_TOKENS} tokens",
            search=make(
                width=options.width,
                verifier=Free(),
                delimiter=NEVER,
                max_step_tokens=STEP_TOKENS,
                max_depth=NUM_STEPS,
                has_fixed_steps=True,
            ),
            whole=Whole(n=options.width, sampling=sampling),
            step=Sampling(max_tokens=STEP_TOKENS),
            max_steps=NUM_STEPS,
        )
        for name, make in SEARCHES.items()
    ]


async def speed(engine: Engine, problems: Sequence[Problem], pair: Pair, num_turns: int) -> str:
    """Let search, chains and samples take turns, and return a line; the first turn only warms up."""
    turns = list[tuple[float, float, float]]()
    drawn = searched = list[Outcome]()
    for number in range(num_turns + 1):
        searched, search = await run_all(engine, problems, pair.search, seed=number)
        chains = await resubmitted(engine, problems, pair, number)
        drawn, whole = await run_all(engine, problems, pair.whole, seed=number)
        turns.append((search, chains, whole))
    steps = sum(span["kind"] == "node" for outcome in searched for span in outcome.trace)
    tokens = [sum(outcome.usage.generated for outcome in outcomes) for outcomes in (searched, drawn)]
    medians = [statistics.median(column) for column in zip(*turns[1:], strict=True)]
    ratios = [[turn[0] / turn[2] for turn in turns[1:]], [turn[1] / turn[2] for turn in turns[1:]]]
    columns = [
        pair.name,
        f"{tokens[0]:,}",
        f"{tokens[0] / steps:.1f}",
        f"{tokens[1]:,}",
        *(f"{median:,.0f}" for median in medians),
        *(f"{statistics.median(one):.2f} ({min(one):.2f} to {max(one):.2f})" for one in ratios),
    ]
    return f"| {' | '.join(columns)} |"


async def measure(options: argparse.Namespace) -> None:
    """Print the tables."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    questions = Questions(options.sets)
    async with Engine(load_backend(options.model)) as engine:
        if "tokens" in options.tables:
            print("\n| search | model | prompt tokens | computed | least | computed / least |")
            print("|---|---|---:|---:|---:|---:|")
            for name in SEARCHES:
                for line in await prompt_tokens(engine, questions.next(options.questions), name, options):
                    print(line, flush=True)
        problems = questions.next(options.questions)
        if {"speed", "fixed"} & set(options.tables):
            print(
                "\n| search | its tokens | a step | of samples | its tokens/s | chains | samples "
                "| search / samples | chains / samples |"
            )
            print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
        if "speed" in options.tables:
            for pair in as_they_are(options):
                print(await speed(engine, problems, pair, options.turns), flush=True)
    if "fixed" in options.tables:
        async with Engine(Endless.like(options.model)) as engine:
            for pair in fixed(options):
                print(await speed(engine, problems, pair, options.turns), flush=True)
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vllm:abacus", metavar="URI", help="(default: %(default)s)")
    parser.add_argument("--judge", default="vllm:abacus-judge", metavar="URI", help="(default: %(default)s)")
    parser.add_argument("--width", type=int, default=16, help="(default: %(default)s)")
    parser.add_argument("--questions", type=int, default=16, help="at once (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="after one that warms up (default: %(default)s)")
    parser.add_argument(
        "--sets",
        nargs="+",
        choices=sorted(EVALUATION_CONFIGS),
        default=["countdown", "chain_sum"],
        help="of questions (default: countdown chain_sum)",
    )
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument(
        "--step-tokens", type=int, metavar="N", help="of a step; as the model writes them if not"
    )
    parser.add_argument("--judge-speed", action="store_true", help="measure speed with the judge too")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
