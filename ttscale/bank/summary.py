"""What a bank holds, in numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from ttscale.answers import answer_key
from ttscale.bank.bank import Bank
from ttscale.bank.fingerprint import short_names
from ttscale.bank.sample import NO_LOGPROBS, RecordedModel, RecordedProblem, SampleHead, Series, Settings
from ttscale.types import JSON, Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesGroup:
    """All series of a model at the same settings."""

    settings: str
    """As in ``temperature=0.8``; empty: unknown."""
    num_problems: int
    """Problems whose prompts these are."""
    num_prompts: int
    min_samples: int
    """Whole samples of the prompt that has fewest: what a replay of all of them can ask for."""
    max_samples: int
    num_whole: int
    """Samples that the model or their limit ended."""
    num_aborted: int
    """Beginnings of samples that were stopped. The more, the less can the whole ones stand for all: what is
    stopped tends to be long."""
    num_failed: int
    generated_tokens: int
    """Of all of these."""
    num_timed: int
    """Samples whose duration is known."""
    max_logprobs: int | None
    """Most alternatives a position that every whole sample has; ``None``: not even the chosen tokens'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeGroup:
    """What a grader elsewhere made of a model's samples of a benchmark."""

    name: str
    num_graded: int
    """Samples that it gave a grade."""
    num_right: int
    """Samples with the grade 1."""
    mean: float | None
    """Mean over problems of the mean grade of their graded samples; samples without one are in no mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkGroup:
    """All that a bank holds of a model's samples of a benchmark."""

    benchmark: str
    """Empty: none."""
    num_problems: int
    num_samples: int
    """Beginnings and failures included."""
    generated_tokens: int
    accuracy: float | None
    """Mean over problems of the share of samples whose answer, as it was taken from them, is the target's equal
    (`ttscale.answers.answer_key`); ``None``: not every answer and target is known."""
    grades: Sequence[GradeGroup]
    """By grader, the one that counts first; of samples that brought grades with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """What a bank holds of a model."""

    name: str
    short_name: str
    """As little of it as tells the bank's models apart."""
    fingerprint: str
    backend: str
    version: str
    num_problems: int
    """Problems whose prompts have samples of it."""
    groups: Sequence[SeriesGroup]
    benchmarks: Sequence[BenchmarkGroup]
    """By name."""

    def to_json(self) -> dict[str, JSON]:
        """Return a plain JSON object."""
        return {
            **asdict(self),
            "groups": [asdict(group) for group in self.groups],
            "benchmarks": [asdict(group) for group in self.benchmarks],
        }


def summarise(bank: Bank) -> list[ModelSummary]:
    """Return what a bank holds, by model and settings, and by model and benchmark."""
    problems, models = bank.problems(), bank.models()
    named = zip(models, short_names(models), strict=True)
    return [_summary(bank, model, short_name, problems) for model, short_name in named]


@dataclass(frozen=True, slots=True)
class _Held:
    """A series, and of each of its draws what holds most of it."""

    series: Series
    heads: Sequence[SampleHead]


def _summary(
    bank: Bank, model: RecordedModel, short_name: str, problems: Sequence[RecordedProblem]
) -> ModelSummary:
    held = [_Held(series, _fullest(bank.heads(series.key))) for series in bank.series(model.fingerprint)]
    by_settings = dict[Settings | None, list[_Held]]()
    by_prompt = dict[Prompt, list[_Held]]()
    for one in held:
        by_settings.setdefault(one.series.settings, []).append(one)
        by_prompt.setdefault(one.series.prompt, []).append(one)
    asked = [problem for problem in problems if problem.prompt in by_prompt]
    by_benchmark = dict[str, list[RecordedProblem]]()
    for problem in asked:
        by_benchmark.setdefault(problem.benchmark, []).append(problem)
    return ModelSummary(
        name=model.profile.name,
        short_name=short_name,
        fingerprint=model.fingerprint,
        backend=model.backend,
        version=model.version,
        num_problems=len(asked),
        groups=[_group(settings, group, asked) for settings, group in by_settings.items()],
        benchmarks=[_benchmark(bank, name, by_benchmark[name], by_prompt) for name in sorted(by_benchmark)],
    )


def _group(
    settings: Settings | None, held: Sequence[_Held], problems: Sequence[RecordedProblem]
) -> SeriesGroup:
    prompts = {one.series.prompt for one in held}
    whole = [sum(head.is_whole for head in one.heads) for one in held]
    every = [head for one in held for head in one.heads]
    reasons = Counter(head.finish_reason for head in every)
    logprobs = min((head.num_logprobs for head in every if head.is_whole), default=NO_LOGPROBS)
    return SeriesGroup(
        settings="" if settings is None else str(settings),
        num_problems=sum(problem.prompt in prompts for problem in problems),
        num_prompts=len(held),
        min_samples=min(whole),
        max_samples=max(whole),
        num_whole=sum(whole),
        num_aborted=reasons["abort"],
        num_failed=reasons["error"],
        generated_tokens=sum(head.usage.generated for head in every),
        num_timed=sum(head.seconds is not None for head in every),
        max_logprobs=None if logprobs == NO_LOGPROBS else logprobs,
    )


def _benchmark(
    bank: Bank, name: str, problems: Sequence[RecordedProblem], held: Mapping[Prompt, Sequence[_Held]]
) -> BenchmarkGroup:
    every = [head for problem in problems for one in held[problem.prompt] for head in one.heads]
    shares = [_share_right(bank, problem, held[problem.prompt]) for problem in problems]
    known = [share for share in shares if share is not None]
    return BenchmarkGroup(
        benchmark=name,
        num_problems=len(problems),
        num_samples=len(every),
        generated_tokens=sum(head.usage.generated for head in every),
        accuracy=sum(known) / len(known) if len(known) == len(shares) else None,
        grades=_grades(bank, problems, held),
    )


def _grades(
    bank: Bank, problems: Sequence[RecordedProblem], held: Mapping[Prompt, Sequence[_Held]]
) -> list[GradeGroup]:
    by_grader = dict[str, list[list[float]]]()
    for problem in problems:
        own = dict[str, list[float]]()
        for one in held[problem.prompt]:
            for grades in bank.grades(one.series.key).values():
                for name, grade in grades.items():
                    own.setdefault(name, []).extend([] if grade is None else [grade])
        for name, given in own.items():
            by_grader.setdefault(name, []).append(given)
    return [_grade_group(name, given) for name, given in by_grader.items()]


def _grade_group(name: str, by_problem: Sequence[Sequence[float]]) -> GradeGroup:
    means = [math.fsum(given) / len(given) for given in by_problem if given]
    return GradeGroup(
        name=name,
        num_graded=sum(map(len, by_problem)),
        num_right=sum(list(given).count(1.0) for given in by_problem),
        mean=math.fsum(means) / len(means) if means else None,
    )


def _share_right(bank: Bank, problem: RecordedProblem, held: Sequence[_Held]) -> float | None:
    """Return which share of a problem's samples has the target's answer; ``None``: that is not known."""
    target = answer_key(problem.target)
    if target is None:
        return None
    num_right = num_samples = 0
    for one in held:
        predictions = bank.predictions(one.series.key)
        if not predictions:
            return None
        num_samples += sum(predictions.values())
        num_right += sum(count for prediction, count in predictions.items() if answer_key(prediction) == target)
    return num_right / num_samples


def _fullest(heads: Iterable[SampleHead]) -> list[SampleHead]:
    """Return of each draw what holds most of it."""
    best = dict[int, SampleHead]()
    for head in heads:
        known = best.get(head.draw)
        if known is None or (head.usage.generated, head.num_logprobs) > (
            known.usage.generated,
            known.num_logprobs,
        ):
            best[head.draw] = head
    return list(best.values())
