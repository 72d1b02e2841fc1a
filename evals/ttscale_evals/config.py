"""What an evaluation run is made of: the config file's model, and its fully resolved form.

A YAML file, the command line and a finished run's own ``config.yaml`` all become the same `EvalConfig`:

```yaml
model: abacus
benchmarks:
  - countdown:min_numbers=3,max_numbers=4
  - {name: gsm8k, params: {path: data/gsm8k.jsonl}}
strategies: [single, "self_consistency:n=16"]
limit: 100
budget: tokens=4000
sampling: {temperature: 0.8}
```

Every benchmark is run with every model, budget and strategy. ``model`` with ``model_options`` is the short form
of ``models: [...]`` with one entry, ``budget`` that of ``budgets: [...]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Final, Self, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PlainSerializer,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from ttscale.budget import Budget
from ttscale.errors import ConfigError
from ttscale.registry import Spec
from ttscale.types import JSON, Sampling
from ttscale_evals.yaml_file import YamlFile

SAMPLING_KEYS: Final = tuple(f.name for f in fields(Sampling))
"""What `sampling` may say."""

_DEFAULT_MODEL: Final = "abacus"
_NO_BUDGET: Final = "none"
_SHARED: Final = "shared:"


class PluginConfig(BaseModel):
    """A benchmark or strategy.

    In a file: ``NAME:key=value,…`` as text, a mapping with `name`, `params` and perhaps `label`, or one of the
    form ``NAME: {key: value}``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    params: dict[str, object] = {}
    label: str | None = None
    """What reports call it; ``None``: its name and parameters as given."""

    @model_validator(mode="before")
    @classmethod
    def _read_short_forms(cls, given: object) -> object:
        if isinstance(given, str):
            spec = Spec.parse(given)
            return {"name": spec.name, "params": dict(spec.params)}
        if not isinstance(given, Mapping):
            return given
        content = cast("Mapping[object, object]", given)
        if len(content) == 1 and "name" not in content:
            ((name, params),) = content.items()
            return {"name": name, "params": params or {}}
        return content

    @property
    def spec(self) -> Spec:
        """Name and parameters."""
        return Spec(self.name, cast("Mapping[str, JSON]", self.params))

    @property
    def title(self) -> str:
        """What reports call it."""
        return self.label or str(self.spec)


class ModelConfig(BaseModel):
    """A model: its URI as text, or a mapping with `model` and perhaps `options` and `label`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    """URI."""
    options: dict[str, object] = {}
    """Further parameters of the model's backend; never a key or password: the config is not secret."""
    label: str | None = None
    """What reports call it."""

    @model_validator(mode="before")
    @classmethod
    def _read_short_form(cls, given: object) -> object:
        return {"model": given} if isinstance(given, str) else given

    @field_validator("options")
    @classmethod
    def _check_options(cls, given: dict[str, object]) -> dict[str, object]:
        if "api_key" in given:
            raise ConfigError(
                "model_options: api_key would be written beside the results; put the key in an environment "
                "variable and name that with api_key_variable."
            )
        return given

    @property
    def title(self) -> str:
        """What reports call it: of a recording the recorded model's name, where that is given."""
        recorded = self.options.get("recorded")
        return self.label or (recorded if isinstance(recorded, str) else self.model)

    @property
    def backend_options(self) -> Mapping[str, JSON]:
        """The options, as `load_backend` takes them."""
        return cast("Mapping[str, JSON]", self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedBudget(Budget):
    """Limits on all problems of a row together: ``shared:tokens=N``, or a mapping with ``shared: true``."""


def _read_budget(given: object) -> object:
    if isinstance(given, Mapping):
        content = dict(cast("Mapping[object, object]", given))
        is_shared = content.pop("shared", False)
        if not isinstance(is_shared, bool):
            raise ConfigError(f"the budget's shared must be true or false, got {is_shared!r}.")
        limits = ",".join(f"{name}={value}" for name, value in content.items() if value is not None)
        return _read_budget(f"{_SHARED}{limits}") if is_shared else Budget.parse(limits)
    if isinstance(given, str):
        text = given.strip()
        if text.startswith(_SHARED):
            if (shared := SharedBudget.parse(text.removeprefix(_SHARED))) == SharedBudget():
                raise ConfigError(f"{given!r} shares nothing; write shared:QUANTITY=NUMBER.")
            return shared
        return None if text in ("", _NO_BUDGET) else Budget.parse(text)
    return given


def plain_budget(budget: Budget | None) -> dict[str, bool | int | float] | None:
    """Return a budget's limits by name, those that there are; ``None``: there is no budget."""
    if budget is None:
        return None
    limits = {f.name: getattr(budget, f.name) for f in fields(budget)}
    shared = {"shared": True} if isinstance(budget, SharedBudget) else {}
    return {**shared, **{name: value for name, value in limits.items() if value is not None}}


def budget_text(budget: Budget | None) -> str:
    """Return a budget as ``--budget`` takes it: ``"tokens=4000,seconds=20"``; empty: there is none."""
    limits = plain_budget(budget) or {}
    prefix = _SHARED if limits.pop("shared", False) else ""
    return prefix + ",".join(
        f"{name}={value if isinstance(value, int) else format(value, '.12g')}" for name, value in limits.items()
    )


_BudgetField = Annotated[Budget | None, BeforeValidator(_read_budget), PlainSerializer(plain_budget)]

_SHORT_FORMS: Final = {
    ("models", 0, "model"): "model",
    ("models", 0, "options"): "model_options",
    ("budgets", 0): "budget",
}
"""Keys of a file that are the short form of another, by the place that they are put in."""


class EvalConfig(BaseModel):
    """Everything that determines an evaluation run. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    models: Annotated[tuple[ModelConfig, ...], Field(min_length=1)] = (ModelConfig(model=_DEFAULT_MODEL),)
    """One after another; a file may say `model` and `model_options` instead."""
    benchmarks: Annotated[tuple[PluginConfig, ...], Field(min_length=1)]
    strategies: Annotated[tuple[PluginConfig, ...], Field(min_length=1)] = (PluginConfig(name="single"),)
    limit: PositiveInt | None = None
    """At most so many problems of each benchmark."""
    seed: NonNegativeInt = 0
    """Of the sampling; the data have seeds of their own."""
    concurrency: PositiveInt = 64
    """Problems at work at once."""
    turns: bool = False
    """Whether rows take turns on a model, so that each one's seconds are its own; the batch runs empty at the
    end of every turn. On recorded samples they always do."""
    budgets: Annotated[tuple[_BudgetField, ...], Field(min_length=1)] = (None,)
    """Limits for each problem, ``None`` or ``none`` for no limit, or what all problems of a row share
    (`SharedBudget`); a file may say `budget` instead."""
    total_budget: _BudgetField = None
    """Once the run has spent this much, no further problem is begun; those under way are finished."""
    sampling: dict[str, object] = {}
    """Parameters given to every strategy that has them and does not set them: `temperature`, `max_tokens` …"""
    prices: str | None = None
    """A YAML file of prices, for dollars in budgets and rows."""
    replay: str | None = None
    """A sample bank, or another file of recorded samples, that has those of all models: none is started."""
    orders: NonNegativeInt = 0
    """Of recorded samples: in how many drawn orders each strategy is replayed, beside the recorded one."""
    record: str | bool | None = None
    """A sample bank that every sample is kept in, made if need be; ``true``: one in the run's directory."""
    reuse: bool = False
    """Whether samples that the bank `record` holds already are taken from there and not drawn again."""
    traces: bool = True
    """Whether every sample's text and timing are kept."""
    out: str | None = None
    """The run's directory."""

    @model_validator(mode="before")
    @classmethod
    def _read_short_forms(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        content = dict(cast("Mapping[str, object]", given))
        if "models" in content and not content.get("model_options"):
            content.pop("model_options", None)  # as a resolved config says that there are none
        for short, long in (("model", "models"), ("model_options", "models"), ("budget", "budgets")):
            if short in content and long in content:
                raise ConfigError(f"{long} and {short} are given; put what {short} says into {long}.")
        if "model" in content or "model_options" in content:
            one = {"model": content.pop("model", _DEFAULT_MODEL), "options": content.pop("model_options", {})}
            content["models"] = [one]
        if "budget" in content:
            content["budgets"] = [content.pop("budget")]
        return content

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key in self.sampling:
            if key not in SAMPLING_KEYS:
                raise ConfigError(f"sampling: {key!r} is unknown; it has: {', '.join(SAMPLING_KEYS)}.")
        if isinstance(self.total_budget, SharedBudget):
            raise ConfigError("total_budget is of the whole run; what a row shares goes into budget.")
        if self.reuse and self.record is None:
            raise ConfigError(
                "reuse takes samples from the bank that record names; name one, or leave reuse out."
            )
        listed = {
            "benchmarks": [entry.title for entry in self.benchmarks],
            "strategies": [entry.title for entry in self.strategies],
            "models": [entry.title for entry in self.models],
            "budgets": [budget_text(budget) or _NO_BUDGET for budget in self.budgets],
        }
        for kind, titles in listed.items():
            twice = next((title for title in titles if titles.count(title) > 1), None)
            if twice is not None:
                mend = "" if kind == "budgets" else " or give it another label"
                raise ConfigError(f"{kind}: {twice!r} is listed twice; leave one out{mend}.")
        return self

    @classmethod
    def load(cls, path: Path | None = None, overrides: Mapping[str, object] | None = None) -> Self:
        """Read a config file, and let other values win over its own.

        Args:
            path: a YAML file; ``None``: the overrides are all there is.
            overrides: by field name, as in the file; the command line's options.

        Raises:
            ConfigError: the file is missing or broken, or a key or value is wrong; file and line are named.
        """
        file = YamlFile.read(path) if path is not None else None
        given = _joined(file.document if file else {}, overrides or {})
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise ConfigError(_explain(error, file, overrides or {})) from error

    @property
    def model_title(self) -> str:
        """What reports call the models."""
        return ", ".join(entry.title for entry in self.models)

    def plain(self) -> dict[str, JSON]:
        """Return the config as plain JSON, as `load` reads it; short where there is one of a kind."""
        plain = cast("dict[str, JSON]", self.model_dump(mode="json"))
        if len(self.models) == 1 and self.models[0].label is None:
            one = cast("list[dict[str, JSON]]", plain.pop("models"))[0]
            plain = {"model": one["model"], "model_options": one["options"], **plain}
        if len(self.budgets) == 1:
            plain["budget"] = cast("list[JSON]", plain.pop("budgets"))[0]
        return plain


def _joined(content: Mapping[str, object], overrides: Mapping[str, object]) -> dict[str, object]:
    """Return a file's content with other values in place of its own, in whichever form either says them.

    A `model` takes the place of several, and goes with the file's `model_options`. What is replayed is not
    recorded.
    """
    replaced = {
        "models": ("model",),
        "model": ("models",),
        "budgets": ("budget",),
        "budget": ("budgets",),
        "replay": ("record", "reuse"),
    }
    gone = {other for name in overrides for other in replaced.get(name, ())}
    return {**{name: value for name, value in content.items() if name not in gone}, **overrides}


def _short_form(location: Sequence[str | int], given: Mapping[str, object]) -> Sequence[str | int]:
    """Return where a value stands in what was given: under the short form of its key, if that was used."""
    for place, short in _SHORT_FORMS.items():
        if tuple(location[: len(place)]) == place and short in given:
            return (short, *location[len(place) :])
    return location


def _explain(error: ValidationError, file: YamlFile | None, overrides: Mapping[str, object]) -> str:
    # A key that is missing is often there under a wrong name: that one is the mistake.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    location = _short_form(first["loc"], {**(file.document if file else {}), **overrides})
    key = ".".join(map(str, location))
    in_file = file is not None and location and location[0] not in overrides
    where = f"{file.place(location)}: " if file is not None and in_file else ""
    if first["type"] == "missing":
        return f"{where}{key!r} is missing; add it to the config or give it as an option (--{key.rstrip('s')})."
    if first["type"] == "extra_forbidden":
        return f"{where}the key {key!r} is unknown; there are: {', '.join(_allowed(location))}."
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}{key}={first['input']!r} is wrong: {message[0].lower()}{message[1:]}."


def _allowed(location: Sequence[str | int]) -> Sequence[str]:
    """Return the keys that may stand where an unknown one does."""
    if len(location) == 1:
        return [*EvalConfig.model_fields, *_SHORT_FORMS.values()]
    return list((ModelConfig if location[0] == "models" else PluginConfig).model_fields)
