"""A workload measured on samples that were drawn: those of a bank, or of a few drawn for the purpose."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from ttscale.answers import answer_key, extract_answer
from ttscale.backends.base import Backend
from ttscale.bank import Bank, RecordedModel, RecordedSample, Recorder, Series, open_pool
from ttscale.bank.vocabulary import token_ends
from ttscale.engine import Engine
from ttscale.errors import ConfigError
from ttscale.planning.workload import Question, Workload, whole_draws
from ttscale.registry import create_strategy
from ttscale.strategy import Strategy
from ttscale.types import Outcome, Problem, Prompt
from ttscale.workers import Workers

Judge = Callable[[Problem, str | None, Workers], Awaitable[bool]]
"""Whether an answer is right."""


def bank_workload(path: Path, *, model: str | None = None) -> Workload:
    """Return what the samples of a bank, or of an export of one or a plain pool, are like.

    Samples that were stopped are left out: what is stopped tends to be long, so those left are too short where
    many were.

    Args:
        path: the file.
        model: name or beginning of the fingerprint of the model, where the bank holds several.

    Raises:
        ConfigError: there is no such model, or nothing to plan from.
    """
    with open_pool(path) as bank:
        return _measured(bank, _model_of(bank, model, path), origin=f"the samples in {str(path)!r}")


async def pilot_workload(
    backend: Backend, problems: Sequence[Problem], *, n: int, judge: Judge | None = None, seed: int = 0
) -> Workload:
    """Draw a few samples of some problems and return what they are like.

    Args:
        backend: the model, not started yet.
        problems: like those to come, and better not the same.
        n: samples of each, >= 1.
        judge: says who is right; ``None``: the problems' targets do, where they have some.
        seed: of the samples.

    Raises:
        ConfigError: there are no problems, or the model does not start.
    """
    strategy = create_strategy(f"self_consistency:n={n},stop=never")
    assert isinstance(strategy, Strategy)
    with Bank() as bank:
        async with Engine(Recorder(backend, bank)) as engine:
            await _draw(engine, problems, strategy, n=n, seed=seed)
            workers = engine.workers
            questions = list[Question]()
            series = {one.prompt: one for one in bank.series()}
            model = bank.models()[0]
            vocabulary = bank.vocabulary(model.fingerprint)
            for problem in problems:
                own = series.get(engine.backend.encode(problem.prompt))
                samples = [] if own is None else list(bank.samples(own.key))
                right = await _judged(problem, samples, judge, workers)
                question = _question(samples, vocabulary, right)
                questions += [] if question is None else [question]
    origin = f"{n} samples of each of {len(questions)} problems, drawn for this plan"
    return Workload(tuple(questions), origin=origin)


async def _draw(engine: Engine, problems: Sequence[Problem], strategy: Strategy, *, n: int, seed: int) -> None:
    """Have all problems sampled, as many at once as the engine takes side by side."""
    at_once = asyncio.Semaphore(max(1, engine.backend.batch_size // n))

    async def one(problem: Problem) -> Outcome:
        async with at_once:
            return await engine.solve(problem, strategy=strategy, seed=seed)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(problem)) for problem in problems]
    for problem, task in zip(problems, tasks, strict=True):
        if (outcome := task.result()).stop_reason == "error":
            raise ConfigError(f"the pilot failed on {problem.id!r}: {outcome.error}")


async def _judged(
    problem: Problem, samples: Sequence[RecordedSample], judge: Judge | None, workers: Workers
) -> frozenset[str] | None:
    """Return the keys of right answers; ``None``: nobody can tell."""
    if judge is None:
        target = answer_key(problem.target)
        return None if target is None else frozenset({target})
    answers = {key: answer for answer in map(_answer, samples) if (key := answer_key(answer)) is not None}
    return frozenset({key for key, answer in answers.items() if await judge(problem, answer, workers)})


def _model_of(bank: Bank, wanted: str | None, path: Path) -> RecordedModel:
    models = bank.models()
    those = [one for one in models if wanted is None or _is_called(one, wanted)]
    if len(those) == 1:
        return those[0]
    if len(models) == 1:  # whatever it was called when it was recorded
        return models[0]
    names = ", ".join(repr(one.profile.name) for one in models) or "none"
    raise ConfigError(
        f"{str(path)!r} holds several models' samples ({names}); choose one with --recorded NAME."
    )


def _is_called(model: RecordedModel, name: str) -> bool:
    return model.profile.name == name or model.fingerprint.startswith(name)


def _measured(bank: Bank, model: RecordedModel, *, origin: str) -> Workload:
    targets: dict[Prompt, str | None] = {
        problem.prompt: answer_key(problem.target) for problem in bank.problems()
    }
    vocabulary = bank.vocabulary(model.fingerprint)
    questions, fullest = list[Question](), _fullest(bank, model)
    for series in fullest:
        samples = list(bank.samples(series.key))
        question = _question(samples, vocabulary, _right(samples, targets.get(series.prompt)))
        questions += [] if question is None else [question]
    assumptions: tuple[str, ...] = ()
    if any(question.prompt_tokens == 1 for question in questions):
        assumptions = ("The samples do not tell how long their prompts were: each is counted as 1 token.",)
    return Workload(tuple(questions), origin=origin, assumptions=assumptions)


def _fullest(bank: Bank, model: RecordedModel) -> list[Series]:
    """Return of each problem's prompt the series with the most whole samples; continuations are left out."""
    problems = {problem.prompt for problem in bank.problems()}
    best = dict[Prompt, tuple[int, Series]]()
    for series in bank.series(model.fingerprint):
        if problems and series.prompt not in problems:
            continue
        if series.settings is not None and (series.settings.stop or series.settings.is_greedy):
            continue
        count = len({head.draw for head in bank.heads(series.key) if head.is_whole})
        if count > best.get(series.prompt, (0, series))[0]:
            best[series.prompt] = count, series
    return [series for _, series in best.values()]


def _right(samples: Sequence[RecordedSample], target: str | None) -> frozenset[str] | None:
    """Return the keys of right answers, by grades from elsewhere or the target; ``None``: nobody can tell."""
    if samples and all(sample.grade is not None for sample in samples):
        keys = (answer_key(_answer(sample)) for sample in samples if sample.grade == 1)
        return frozenset(key for key in keys if key is not None)
    return None if target is None else frozenset({target})


def _answer(sample: RecordedSample) -> str | None:
    return sample.prediction if sample.text is None else extract_answer(sample.text)


def _question(
    samples: Sequence[RecordedSample], vocabulary: dict[int, str], right: frozenset[str] | None
) -> Question | None:
    whole = {
        sample.head.draw: sample for sample in samples if sample.head.is_whole and sample.head.usage.generated
    }
    if not whole:
        return None
    usages = [sample.head.usage for sample in whole.values()]
    prompt_tokens = max(usage.prompt_computed + usage.prompt_cached for usage in usages)
    lines = [
        (_lines(sample, vocabulary), answer_key(_answer(sample)), sample.head.finish_reason == "length")
        for sample in whole.values()
    ]
    draws = whole_draws(lines, frozenset() if right is None else right)
    return Question(max(1, prompt_tokens), draws, is_graded=right is not None)


def _lines(sample: RecordedSample, vocabulary: dict[int, str]) -> list[tuple[str, int]]:
    """Return the lines of an answer with their tokens; one where it is not known which token has which text."""
    total = sample.head.usage.generated
    ends = token_ends(sample.text, sample.token_ids, vocabulary) if sample.text and sample.token_ids else None
    if ends is None or sample.text is None or len(ends) != total:
        return [(sample.shown, total)]
    lines, start, begun = list[tuple[str, int]](), 0, 0
    for place, end in enumerate(ends, start=1):
        written = sample.text[start:end]
        if "\n" in written and place < total:
            lines.append((written, place - begun))
            start, begun = end, place
    return [*lines, (sample.text[start:], total - begun)] if begun < total else lines
