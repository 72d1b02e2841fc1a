"""What a bank holds, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from ttscale.bank.bank import Bank
from ttscale.bank.sample import NO_LOGPROBS, RecordedModel, SampleHead, Settings
from ttscale.types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesGroup:
    """All series of a model at the same settings."""

    settings: str
    """As in ``temperature=0.8``; empty: unknown."""
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
class ModelSummary:
    """What a bank holds of a model."""

    name: str
    fingerprint: str
    backend: str
    version: str
    num_problems: int
    """Problems whose prompts have samples of it."""
    groups: Sequence[SeriesGroup]

    def to_json(self) -> dict[str, JSON]:
        """Return a plain JSON object."""
        return {**asdict(self), "groups": [asdict(group) for group in self.groups]}


def summarise(bank: Bank) -> list[ModelSummary]:
    """Return what a bank holds, by model and settings."""
    return [_summary(bank, model) for model in bank.models()]


def _summary(bank: Bank, model: RecordedModel) -> ModelSummary:
    groups = dict[Settings | None, list[list[SampleHead]]]()
    prompts = set[str]()
    for series in bank.series(model.fingerprint):
        groups.setdefault(series.settings, []).append(bank.heads(series.key))
        prompts.add(repr(series.prompt))
    return ModelSummary(
        name=model.profile.name,
        fingerprint=model.fingerprint,
        backend=model.backend,
        version=model.version,
        num_problems=sum(repr(problem.prompt) in prompts for problem in bank.problems()),
        groups=[_group(settings, heads) for settings, heads in groups.items()],
    )


def _group(settings: Settings | None, series: Sequence[Sequence[SampleHead]]) -> SeriesGroup:
    fullest = [_fullest(heads) for heads in series]
    whole = [sum(head.is_whole for head in heads) for heads in fullest]
    every = [head for heads in fullest for head in heads]
    reasons = Counter(head.finish_reason for head in every)
    logprobs = min((head.num_logprobs for head in every if head.is_whole), default=NO_LOGPROBS)
    return SeriesGroup(
        settings="" if settings is None else str(settings),
        num_prompts=len(series),
        min_samples=min(whole),
        max_samples=max(whole),
        num_whole=sum(whole),
        num_aborted=reasons["abort"],
        num_failed=reasons["error"],
        generated_tokens=sum(head.usage.generated for head in every),
        num_timed=sum(head.seconds is not None for head in every),
        max_logprobs=None if logprobs == NO_LOGPROBS else logprobs,
    )


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
