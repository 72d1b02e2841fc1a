"""How good a model is in each role: `python benchmarks/roles.py`.

Every role is measured on held-out problems, through ttscale itself: the samples of the solver are those that
strategies see, and those who judge them are verifiers: `prm`, asked for `+` or `-`, and `implicit_prm`, which
ranks solutions by how likely it finds them. Printed is a table of role, measure and value with 95 % intervals,
as the model cards have it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import ClassVar

from ttscale import Engine, Outcome, Problem, Prompt, Sampling, load_backend
from ttscale.answers import answer_key, extract_answer
from ttscale.grammars.format_error import FormatError
from ttscale.reference.problems import EVALUATION_CONFIGS, HELD_OUT_CONFIGS, make_dataset
from ttscale.reference.roles import outlines, plan, threads
from ttscale.reference.roles.attempts import Attempts
from ttscale.reference.roles.measures import Measure, auroc_measure, share
from ttscale.reference.roles.questions import Question, asked
from ttscale.reference.roles.steps import Labelled, is_right, label
from ttscale.registry import create_verifier, load_template
from ttscale.run import Run
from ttscale.template import CHOICES, numbered
from ttscale.types import Sample, Score
from ttscale.verifier import Verifier
from ttscale_evals.stats import paired_difference

Continue = Callable[[Sequence[Prompt], str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    role: str
    measure: str
    on: str
    value: Measure

    def __str__(self) -> str:
        value = self.value
        return (
            f"| {self.role} | {self.measure} | {self.on} "
            f"| {value.value:.1%} [{value.low:.1%}, {value.high:.1%}] | {value.num_cases:,} |"
        )


@dataclass(frozen=True, kw_only=True)
class Collect:
    """Draws samples and has them scored; what came is in `found`, by problem."""

    n: int
    sampling: Sampling = field(default_factory=Sampling)
    verifiers: Mapping[str, Verifier] = field(default_factory=dict)
    found: dict[str, tuple[list[Sample], dict[str, list[Score]]]] = field(default_factory=dict, compare=False)

    needs: ClassVar[frozenset[str]] = frozenset()

    def max_samples(self) -> int:
        """Return n."""
        return self.n

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Draw, score, remember."""
        async with run.sample(problem.prompt, n=self.n, sampling=self.sampling) as samples:
            drawn = sorted([sample async for sample in samples], key=lambda sample: sample.index)
        scores = {name: await run.score(drawn, verifier) for name, verifier in self.verifiers.items()}
        self.found[problem.id] = (drawn, scores)
        return Outcome(answer=None)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A held-out problem, the solver's samples of it, each labelled, and their scores by who judges."""

    problem: Attempts
    samples: Sequence[Labelled]
    scores: Mapping[str, Sequence[Score]]


async def collect(engine: Engine, prompts: Sequence[Prompt], strategy: Collect, *, seed: int) -> list[str]:
    """Run a collecting strategy over prompts and return the ids under which their samples are found."""
    problems = [Problem(id=f"p{number}", prompt=prompt) for number, prompt in enumerate(prompts)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(engine.solve(one, strategy=strategy, seed=seed)) for one in problems]
    for task in tasks:
        if task.result().error is not None:
            raise RuntimeError(task.result().error)
    return [problem.id for problem in problems]


async def texts_of(
    engine: Engine, prompts: Sequence[Prompt], sampling: Sampling, *, seed: int = 0
) -> list[str]:
    """Return one answer a prompt."""
    strategy = Collect(n=1, sampling=sampling)
    return [strategy.found[id][0][0].text for id in await collect(engine, prompts, strategy, seed=seed)]


def held_out(name: str, num_questions: int) -> list[Attempts]:
    """Return the first held-out problems of a set, without samples."""
    dataset = make_dataset(name, EVALUATION_CONFIGS[name], seed=0, size=num_questions)
    questions = [asked(name, dataset[index]) for index in range(num_questions)]
    return [Attempts(name, seed, one.text, one.key, ()) for seed, one in enumerate(questions)]


async def draw(engine: Engine, name: str, options: argparse.Namespace) -> list[Drawn]:
    """Draw the solver's samples of one set and have every step scored by all who judge."""
    problems = held_out(name, options.questions)
    verifiers = {
        "judge": create_verifier(f"prm:model={options.judge},aggregate={options.aggregate}"),
        "rank": create_verifier(f"implicit_prm:model={options.ranker}"),
    }
    strategy = Collect(n=options.samples, verifiers=verifiers)
    prompts = [Prompt.user(problem.question) for problem in problems]
    drawn = list[Drawn]()
    for problem, id in zip(problems, await collect(engine, prompts, strategy, seed=0), strict=True):
        samples, scores = strategy.found[id]
        drawn.append(Drawn(problem, [label(problem, sample.text) for sample in samples], scores))
    return drawn


def solving(name: str, drawn: Sequence[Drawn]) -> list[Row]:
    """Measure single samples and votes."""
    first = share(sum(one.samples[0].is_right for one in drawn), len(drawn))
    n = len(drawn[0].samples)
    mean = sum(sum(sample.is_right for sample in one.samples) for one in drawn) / (len(drawn) * n)
    half = (first.high - first.low) / 2
    return [
        Row("solve", "one sample", name, Measure(mean, mean - half, mean + half, len(drawn))),
        Row("solve", f"any of {n}", name, _right(drawn, lambda one: any(s.is_right for s in one.samples))),
        Row("solve", f"majority of {n}", name, _right(drawn, _majority_is_right)),
    ]


def choosing(name: str, drawn: Sequence[Drawn]) -> list[Row]:
    """Measure what those who judge choose, on the same samples, against the vote."""
    rows, n = list[Row](), len(drawn[0].samples)
    voted = [_majority_is_right(one) for one in drawn]
    for judge in drawn[0].scores:
        chosen = [_best_is_right(one, judge) for one in drawn]
        rows += [
            Row(judge, f"best of {n} by its score", name, share(sum(chosen), len(drawn))),
            Row(judge, f"best of {n} less majority of {n}", name, _difference(chosen, voted)),
        ]
    return rows


def _difference(ones: Sequence[bool], others: Sequence[bool]) -> Measure:
    """Return the share of one method less that of another on the same problems."""
    paired = paired_difference(ones, others, seed=0)
    return Measure(paired.difference, *paired.interval, paired.num_problems)


def _right(drawn: Sequence[Drawn], holds: Callable[[Drawn], bool]) -> Measure:
    return share(sum(holds(one) for one in drawn), len(drawn))


def _majority_is_right(one: Drawn) -> bool:
    answers = [extract_answer(sample.text) for sample in one.samples]
    keys = [answer_key(answer) for answer in answers]
    counts = Counter(key for key in keys if key is not None)
    if not counts:
        return False
    return one.samples[keys.index(max(counts, key=lambda key: counts[key]))].is_right


def _best_is_right(one: Drawn, judge: str) -> bool:
    values = [-1.0 if score.value is None else score.value for score in one.scores[judge]]
    return one.samples[values.index(max(values))].is_right


def judging(judge: str, drawn: Iterable[Drawn], *, on: str, per_problem: int = 4) -> list[Row]:
    """Measure how well step scores, and final scores, tell right from wrong."""
    steps, finals = list[tuple[float, bool, str]](), list[tuple[float, bool, str]]()
    for one in drawn:
        for sample, score in list(zip(one.samples, one.scores[judge], strict=True))[:per_problem]:
            if len(score.steps) != len(sample.signs):
                continue
            key = one.problem.key
            steps += [(value, sign, key) for value, sign in zip(score.steps, sample.signs, strict=True)]
            finals += [(score.steps[-1], sample.is_right, key)] if score.steps else []
    return [
        Row(judge, measure, on, auroc_measure(*zip(*cases, strict=True)))
        for measure, cases in (("AUROC of steps", steps), ("AUROC of answers", finals))
    ]


async def comparing(engine: Engine, drawn: Iterable[Drawn], *, on: str) -> list[Row]:
    """Measure the choice between a right and a wrong sample of the same problem, each pair in both orders."""
    template, prompts, wanted = load_template("compare"), list[Prompt](), list[str]()
    for one in drawn:
        rights = [sample for sample in one.samples if sample.is_right]
        wrongs = [sample for sample in one.samples if not sample.is_right and extract_answer(sample.text)]
        for (right, wrong), is_first in product(list(zip(rights, wrongs, strict=False))[:1], (True, False)):
            a, b = (right, wrong) if is_first else (wrong, right)
            prompts.append(template.render(question=one.problem.question, solution_a=a.text, solution_b=b.text))
            wanted.append(CHOICES[0] if is_first else CHOICES[1])
    said = await texts_of(engine, prompts, Sampling(temperature=0.0, max_tokens=2))
    hits = sum(text.strip() == answer for text, answer in zip(said, wanted, strict=True))
    return [Row("compare", "right choice", on, share(hits, len(wanted)))]


async def revising(engine: Engine, drawn: Iterable[Drawn], *, on: str, per_problem: int = 2) -> list[Row]:
    """Measure revisions of one wrong attempt against fresh samples of the same problems."""
    template, prompts, problems = load_template("revise"), list[Prompt](), list[Attempts]()
    fresh = list[bool]()
    for one in drawn:
        wrongs = [index for index, sample in enumerate(one.samples) if not sample.is_right][:per_problem]
        for index in wrongs:
            attempt = numbered("Attempt", [one.samples[index].text])
            prompts.append(template.render(question=one.problem.question, attempts=attempt))
            problems.append(one.problem)
            others = [sample.is_right for other, sample in enumerate(one.samples) if other != index]
            fresh.append(others[index % len(others)])
    texts = await texts_of(engine, prompts, Sampling())
    hits = [label(problem, text).is_right for problem, text in zip(problems, texts, strict=True)]
    return [
        Row("revise", "right after a wrong attempt", on, share(sum(hits), len(hits))),
        Row("revise", "a fresh sample of the same problems", on, share(sum(fresh), len(fresh))),
    ]


def _questions(name: str, config_index: int, num_questions: int) -> list[Question]:
    config = HELD_OUT_CONFIGS[name][config_index]
    dataset = make_dataset(name, config, seed=0, size=num_questions)
    return [asked(name, dataset[index]) for index in range(num_questions)]


def in_formats(complete: Continue, num_questions: int) -> list[Row]:
    """Measure the roles that write threads and plans: whether they parse, and reach the right answer."""

    class Completer:
        def __call__(self, prompts: Sequence[Prompt], *, stop: str = "") -> Sequence[str]:
            return complete(prompts, stop)

    rows = list[Row]()
    for index, on in ((0, "countdown, 3 numbers"), (2, "countdown, 4 numbers")):
        questions = _questions("countdown", index, num_questions)
        traces = threads.solve_by_threads(Completer(), [question.text for question in questions])
        rows += _format_rows("threads", on, questions, [(t.fault is None, t.text) for t in traces])
    questions = _questions("chain_sum", 3, num_questions)
    blocks = outlines.solve_by_outlines(Completer(), [question.text for question in questions])
    rows += _format_rows(
        "outlines", "chain_sum, 6 to 8 terms", questions, [(b.fault is None, b.text) for b in blocks]
    )
    for name, index in (("chain_sum", 3), ("leg_counting", 1)):
        questions = _questions(name, index, num_questions)
        texts = complete([plan.plan_prompt(question.text) for question in questions], "")
        rows += _format_rows("plan", name, questions, [_executed(text) for text in texts])
    return rows


def _executed(text: str) -> tuple[bool, str]:
    try:
        return True, f"\\boxed{{{plan.run_plan(plan.parse_plan(text))[-1]}}}"
    except FormatError:
        return False, ""


def _format_rows(
    role: str, on: str, questions: Sequence[Question], found: Sequence[tuple[bool, str]]
) -> list[Row]:
    rights = 0
    for question, (_, text) in zip(questions, found, strict=True):
        answer = extract_answer(text)
        problem = Attempts(question.name, 0, question.text, question.key, ())
        rights += answer is not None and is_right(problem, answer)
    parsed = sum(is_parsed for is_parsed, _ in found)
    return [
        Row(role, "parses", on, share(parsed, len(found))),
        Row(role, "right answer", on, share(rights, len(found))),
    ]


async def measure(options: argparse.Namespace) -> list[Row]:
    """Measure every role."""
    rows, drawn = list[Row](), dict[str, list[Drawn]]()
    async with Engine(load_backend(options.model)) as engine:
        for name in EVALUATION_CONFIGS:
            drawn[name] = await draw(engine, name, options)
            rows += [*solving(name, drawn[name]), *choosing(name, drawn[name])]
            for judge in drawn[name][0].scores:
                rows += judging(judge, drawn[name], on=name)
            rows += await revising(engine, drawn[name], on=name)
        every = [one for several in drawn.values() for one in several]
        for judge in every[0].scores:
            rows += judging(judge, every, on="all")
        loop = asyncio.get_running_loop()

        def complete(prompts: Sequence[Prompt], stop: str) -> Sequence[str]:
            sampling = Sampling(temperature=options.temperature, stop=(stop,) if stop else ())
            work = continued(engine, prompts, sampling, stop)
            return asyncio.run_coroutine_threadsafe(work, loop).result()

        rows += await asyncio.to_thread(in_formats, complete, options.questions)
    async with Engine(load_backend(options.judge)) as engine:
        for name, found in drawn.items():
            rows += await comparing(engine, found, on=name)
    return rows


async def continued(engine: Engine, prompts: Sequence[Prompt], sampling: Sampling, stop: str) -> list[str]:
    """Continue prompts; a text that ended at the stop string gets it back."""
    strategy = Collect(n=1, sampling=sampling)
    ids = await collect(engine, prompts, strategy, seed=0)
    samples = [strategy.found[id][0][0] for id in ids]
    return [sample.text + (stop if _reached(engine, sample, stop) else "") for sample in samples]


def _reached(engine: Engine, sample: Sample, stop: str) -> bool:
    """Return whether a stop string ended the sample: it is cut off the text, not off the tokens."""
    return bool(stop) and stop in engine.backend.decode(sample.token_ids)


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="abacus", help="the solver (default: %(default)s)")
    parser.add_argument("--judge", default="abacus-judge", help="judges and compares (default: %(default)s)")
    parser.add_argument("--ranker", default="abacus-prm", help="ranks solutions (default: %(default)s)")
    parser.add_argument(
        "--questions", type=int, default=200, help="held-out problems a set (default: %(default)s)"
    )
    parser.add_argument("--samples", type=int, default=16, help="samples a problem (default: %(default)s)")
    parser.add_argument("--aggregate", default="min", help="of the steps' scores (default: %(default)s)")
    parser.add_argument(
        "--temperature", type=float, default=0.0, help="of threads and plans (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON only")
    options = parser.parse_args()
    rows = asyncio.run(measure(options))
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    print("| role | measure | on | value [95 %] | cases |\n|---|---|---|---:|---:|")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
