"""What a sample pool holds, as an evaluation wants to know it: recordings of models on benchmarks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ttscale.backends import Capabilities
from ttscale.backends.replay import choose_model, recorded_capabilities
from ttscale.bank import Bank, Columns, RecordedModel, SampleHead, Settings, open_pool, problems_of, short_names
from ttscale.errors import ConfigError, DataError
from ttscale.types import JSON, Problem, Prompt, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The samples of one model on the problems of one benchmark, at one setting."""

    model: RecordedModel
    name: str
    """What the model is called: as short as tells it apart."""
    benchmark: str
    """Empty where the pool names none."""
    problems: Sequence[Problem]
    """At least one; the target is ``None`` where it is not known."""
    num_samples: Sequence[int]
    """Whole samples of each problem; may be 0."""
    settings: Settings | None
    """``None``: unknown."""
    sampling: Mapping[str, JSON]
    """What a strategy must ask for to get these samples, beside what it asks for by default."""
    other_settings: Sequence[str]
    """Further settings at which there are samples of these problems."""
    capabilities: Capabilities
    """What can be asked of the model's samples."""

    @property
    def min_samples(self) -> int:
        """Whole samples of the problem that has fewest."""
        return min(self.num_samples)

    @property
    def fewest(self) -> Problem:
        """The first problem that has no more samples than any other."""
        return self.problems[self.num_samples.index(self.min_samples)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A pool's recordings."""

    path: Path
    models: Sequence[RecordedModel]
    recordings: Sequence[Recording]
    """By model, then by benchmark, in the pool's order."""

    def of_model(self, recorded: str | None) -> Sequence[Recording]:
        """Return the recordings of a model.

        Args:
            recorded: as in `choose_model`.

        Raises:
            ConfigError: it is unknown, or one must be chosen.
        """
        model = choose_model(self.models, recorded, pool=str(self.path))
        return [one for one in self.recordings if one.model.fingerprint == model.fingerprint]

    def find(self, recorded: str | None, benchmark: str | None) -> Recording:
        """Return a model's recording of a benchmark; ``None``: of the only one.

        Raises:
            ConfigError: model or benchmark is unknown, or one must be chosen.
        """
        own = self.of_model(recorded)
        found = [one for one in own if benchmark in (None, one.benchmark)]
        if len(found) == 1:
            return found[0]
        names = ", ".join(repr(one.benchmark) for one in own) or "none"
        wrong = "no benchmark is chosen" if benchmark is None else f"there is no benchmark {benchmark!r}"
        raise ConfigError(
            f"{wrong} of the recorded ones in {str(self.path)!r}; there are: {names}. Say name=NAME."
        )


def read_pool(path: Path, columns: Mapping[str, str] | None = None) -> Pool:
    """Read a pool; the same file, unchanged, is read once in a process.

    Args:
        path: as in `ttscale.bank.open_pool`.
        columns: of a plain pool, from role to field.

    Raises:
        DataError: the file is missing or broken, or holds no problems; the line is named.
        ConfigError: there is no such column.
    """
    path = path.expanduser().absolute()
    named = tuple(sorted((columns or {}).items()))
    if not path.is_file():
        open_pool(path).close()  # says what is wrong
    found = path.stat()
    return _read_pool(path, named, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=4)
def _read_pool(path: Path, columns: tuple[tuple[str, str], ...], changed: int, size: int) -> Pool:
    with open_pool(path, columns=Columns.parse(dict(columns))) as bank:
        models = bank.models()
        names = short_names(models)
        recordings = [
            recording
            for model, name in zip(models, names, strict=True)
            for recording in _recordings(bank, model, name)
        ]
    if not recordings:
        raise DataError(f"{str(path)!r} holds no samples of any problem; record some first.")
    return Pool(path=path, models=models, recordings=recordings)


# ── one model ─────────────────────────────────────────────────────────────────────────────────────────────

_Held = Mapping[Settings | None, Sequence[SampleHead]]
"""The samples of one prompt by settings."""


def _recordings(bank: Bank, model: RecordedModel, name: str) -> list[Recording]:
    held = dict[Prompt, dict[Settings | None, Sequence[SampleHead]]]()
    for series in bank.series(model.fingerprint):
        held.setdefault(series.prompt, {})[series.settings] = bank.heads(series.key)
    by_benchmark = dict[str, list[tuple[Problem, _Held]]]()
    for benchmark, problem in problems_of(bank, model.fingerprint):
        encoded = bank.encoded(model.fingerprint, problem.prompt) or problem.prompt
        by_benchmark.setdefault(benchmark, []).append((problem, held.get(encoded, {})))
    able = recorded_capabilities(bank, model)
    return [_recording(model, name, benchmark, problems, able) for benchmark, problems in by_benchmark.items()]


def _recording(
    model: RecordedModel,
    name: str,
    benchmark: str,
    problems: Sequence[tuple[Problem, _Held]],
    capabilities: Capabilities,
) -> Recording:
    settings = _fullest(held for _, held in problems)
    counted = dict[str, tuple[Problem, int]]()
    for problem, held in problems:
        count = _num_whole(held.get(settings, ()))
        if problem.id not in counted or count > counted[problem.id][1]:
            counted[problem.id] = problem, count  # of two prompts of one problem the one with more samples
    heads = [head for _, held in problems for head in held.get(settings, ())]
    others = {str(other): None for _, held in problems for other in held if other not in (settings, None)}
    return Recording(
        model=model,
        name=name,
        benchmark=benchmark,
        problems=[problem for problem, _ in counted.values()],
        num_samples=[count for _, count in counted.values()],
        settings=settings,
        sampling=_sampling(model, settings, heads),
        other_settings=list(others),
        capabilities=capabilities,
    )


def _num_whole(heads: Iterable[SampleHead]) -> int:
    return len({head.draw for head in heads if head.is_whole})


def _fullest(problems: Iterable[_Held]) -> Settings | None:
    """Return the settings at which most problems have samples; of several such, those with most samples."""
    covered, samples = Counter[Settings | None](), Counter[Settings | None]()
    for held in problems:
        for settings, heads in held.items():
            covered[settings] += _num_whole(heads) > 0
            samples[settings] += _num_whole(heads)
    return max(covered, key=lambda settings: (covered[settings], samples[settings]), default=None)


def _sampling(
    model: RecordedModel, settings: Settings | None, heads: Sequence[SampleHead]
) -> Mapping[str, JSON]:
    """Return in what the recorded settings differ from those that are asked for by default."""
    profile = model.profile
    found = dict[str, JSON]()
    if settings is not None:
        usual = Settings.of(
            Sampling(temperature=profile.temperature, top_p=profile.top_p, top_k=profile.top_k)
        ).to_json()
        found = {name: value for name, value in settings.to_json().items() if value != usual[name]}
    whole = [head for head in heads if head.is_whole and not _is_context(head, model)]
    limits = Counter(head.max_tokens for head in whole if head.max_tokens is not None)
    if limits:
        ((found["max_tokens"], _),) = limits.most_common(1)
    return found


def _is_context(head: SampleHead, model: RecordedModel) -> bool:
    """Whether a sample's limit was what the model's context left."""
    used, context = head.usage, model.profile.context_length
    if head.max_tokens is None or context is None:
        return False
    return used.prompt_computed + used.prompt_cached + head.max_tokens >= context
