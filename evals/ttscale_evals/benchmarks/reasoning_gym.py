"""Every procedural data set of reasoning-gym as a benchmark, graded by its own checker.

Stojanovski et al. 2025, arXiv:2505.24760. The problems are made on the spot from a seed, so nothing is
downloaded and no model can have seen exactly these.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import MISSING, dataclass, field, fields
from itertools import islice
from typing import TYPE_CHECKING, Final, cast

from ttscale.errors import MissingExtra, ParameterError, UnknownPlugin
from ttscale.reference.problems import TRAINING_SEED_START
from ttscale.registry import build
from ttscale.types import JSON, Problem, Prompt
from ttscale.workers import Workers
from ttscale_evals.benchmarks.base import Grade
from ttscale_evals.benchmarks.grading import grade_reasoning_gym

if TYPE_CHECKING:
    from reasoning_gym.dataset import ProceduralDataset

_OURS: Final = ("seed", "size")
"""Fields of every set's configuration that are the benchmark's own parameters."""


@dataclass(frozen=True, kw_only=True)
class ReasoningGymBenchmark:
    """Problems of one reasoning-gym set; an answer is right where the set's own checker gives 1.

    ``countdown:min_numbers=4`` is short for ``reasoning_gym:dataset=countdown,config={min_numbers: 4}``.
    """

    dataset: str
    """The set's name, ``"countdown"`` say."""
    config: Mapping[str, object] = field(default_factory=dict[str, object])
    """Parameters of the set, without its seed and size."""
    size: int = 500
    """Number of problems, >= 1."""
    seed: int = 0
    """Of the problems; item i is mostly drawn from ``seed + i``. Seeds below 1e9 never meet those that the
    reference model was trained on, so larger ones are refused."""
    instruction: str = ""
    """Added to each question after a line break."""

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size must be >= 1, got {self.size!r}")
        if not 0 <= self.seed <= TRAINING_SEED_START - self.size:
            raise ValueError(
                f"seed must lie in [0, 1e9 - size], got {self.seed!r}: seeds from 1e9 on are for training"
            )

    @staticmethod
    def also_named() -> Sequence[str]:
        """Return the sets' names: each is a benchmark of its own, as ``ttscale list benchmarks`` says."""
        return sorted(dataset_configs())

    def check(self) -> None:
        """Find out whether the set exists and takes this configuration, without making problems.

        Raises:
            UnknownPlugin: there is no set of that name.
            ParameterError: the set has no such parameter, or the value is of the wrong type or out of range.
            MissingExtra: reasoning-gym is not installed.
        """
        self._resolved_config(self.seed)

    def problems(self, *, limit: int | None = None, seed: int | None = None) -> Iterator[Problem]:
        """Yield the first `limit` problems of the set."""
        chosen = self.seed if seed is None else seed
        made = self._make(chosen)
        for index in islice(range(self.size), limit):
            try:
                with redirect_stdout(sys.stderr):  # some sets print
                    entry = cast("Mapping[str, object]", made[index])
            except Exception as error:  # whatever the generator raises, this configuration has no such problem
                message = f"{self._label()} cannot make problem {index}: {type(error).__name__}: {error}"
                raise ParameterError(f"{message}; choose other parameters.") from error
            yield self._problem(index, entry, chosen)

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Grade with the set's checker, in a worker process."""
        return await grade_reasoning_gym(problem, answer, workers)

    def _problem(self, index: int, entry: Mapping[str, object], seed: int) -> Problem:
        question, answer = str(entry["question"]), entry["answer"]
        text = f"{question}\n{self.instruction}" if self.instruction else question
        return Problem(
            id=f"{self.dataset}-{seed}-{index}",
            prompt=Prompt.user(text),
            target=None if answer is None else str(answer),
            meta={
                "reasoning_gym": {
                    "dataset": self.dataset,
                    "config": _plain(self.config),
                    "seed": seed,
                    "size": self.size,
                    "index": index,
                    "entry": _plain(entry),
                }
            },
        )

    def _make(self, seed: int) -> ProceduralDataset:
        config = self._resolved_config(seed)
        from reasoning_gym.factory import DATASETS

        try:
            with redirect_stdout(sys.stderr):
                return DATASETS[self.dataset][0](config=config)
        except Exception as error:  # whatever the set raises, it cannot be made like this
            raise ParameterError(f"{self._label()} cannot be made: {error}.") from error

    def _resolved_config(self, seed: int) -> object:
        """Return the set's configuration object, checked."""
        known = dataset_configs()
        if self.dataset not in known:
            raise UnknownPlugin("benchmark", self.dataset, known)
        config_class, label = known[self.dataset], self._label()
        given = {name: _converted(config_class, name, value, label) for name, value in self.config.items()}
        config = config_class(**given, seed=seed, size=self.size)
        validate = getattr(config, "validate", None)
        try:
            if validate is not None:
                validate()
        except (AssertionError, ValueError, TypeError) as error:
            raise ParameterError(f"{label} does not take these parameters: {error}.") from error
        return config

    def _label(self) -> str:
        return f"benchmark {self.dataset!r}"


def dataset_configs() -> Mapping[str, type]:
    """Return the configuration class of every reasoning-gym set by the set's name.

    Raises:
        MissingExtra: reasoning-gym is not installed.
    """
    try:
        from reasoning_gym.factory import DATASETS
    except ImportError as error:
        raise MissingExtra("reasoning-gym", "evals") from error
    return {name: config for name, (_, config) in DATASETS.items()}


def _converted(config_class: type, name: str, value: object, label: str) -> object:
    """Return a parameter's value in the type its set wants."""
    defaults = {f.name: f.default for f in fields(config_class)}
    if name in _OURS or name not in defaults:
        have = ", ".join([*_OURS, *(known for known in defaults if known not in _OURS)])
        where = "is the benchmark's own, outside config" if name in _OURS else f"is unknown; it has: {have}"
        raise ParameterError(f"{label}: the parameter {name!r} {where}.")
    try:
        return getattr(build(config_class, {name: cast("JSON", value)}, label=label), name)
    except ParameterError:
        # A few sets annotate a field with another type than its default has; the default's type is right then.
        if defaults[name] is not MISSING and type(defaults[name]) is type(value):
            return value
        raise


def _plain(value: object) -> JSON:
    """Return what JSON can hold of a generator's metadata; what it cannot, as text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)  # numpy's strings are a subclass
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[object]", value)]
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in cast("set[object]", value)), key=repr)
    return str(value)
