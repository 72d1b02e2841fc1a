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
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
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
    model_validator,
)

from ttscale.budget import Budget
from ttscale.errors import ConfigError
from ttscale.registry import Spec
from ttscale.types import JSON, Sampling
from ttscale_evals.yaml_file import YamlFile

SAMPLING_KEYS: Final = tuple(f.name for f in fields(Sampling))
"""What `sampling` may say."""


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


def _read_budget(given: object) -> object:
    if isinstance(given, Mapping):
        pairs = cast("Mapping[object, object]", given).items()
        return Budget.parse(",".join(f"{name}={value}" for name, value in pairs if value is not None))
    return Budget.parse(given) if isinstance(given, str) else given


def _plain_budget(budget: Budget | None) -> dict[str, int | float] | None:
    if budget is None:
        return None
    limits = {f.name: getattr(budget, f.name) for f in fields(budget)}
    return {name: value for name, value in limits.items() if value is not None}


_BudgetField = Annotated[Budget | None, BeforeValidator(_read_budget), PlainSerializer(_plain_budget)]


class EvalConfig(BaseModel):
    """Everything that determines an evaluation run. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    model: str = "abacus"
    """Model URI."""
    model_options: dict[str, object] = {}
    """Further parameters of the model's backend; never a key or password: the config is not secret."""
    benchmarks: Annotated[tuple[PluginConfig, ...], Field(min_length=1)]
    strategies: Annotated[tuple[PluginConfig, ...], Field(min_length=1)] = (PluginConfig(name="single"),)
    limit: PositiveInt | None = None
    """At most so many problems of each benchmark."""
    seed: NonNegativeInt = 0
    """Of the sampling; the data have seeds of their own."""
    concurrency: PositiveInt = 64
    """Problems at work at once."""
    budget: _BudgetField = None
    """Limits for each problem."""
    total_budget: _BudgetField = None
    """Once the run has spent this much, no further problem is begun; those under way are finished."""
    sampling: dict[str, object] = {}
    """Parameters given to every strategy that has them and does not set them: `temperature`, `max_tokens` …"""
    prices: str | None = None
    """A YAML file of prices, for dollars in budgets and rows."""
    orders: NonNegativeInt = 0
    """Of recorded samples: in how many drawn orders each strategy is replayed, beside the recorded one."""
    record: str | None = None
    """A sample bank that every sample is kept in, made if need be; for `ttscale eval --replay`."""
    traces: bool = True
    """Whether every sample's text and timing are kept."""
    out: str | None = None
    """The run's directory."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key in self.sampling:
            if key not in SAMPLING_KEYS:
                raise ConfigError(f"sampling: {key!r} is unknown; it has: {', '.join(SAMPLING_KEYS)}.")
        if "api_key" in self.model_options:
            raise ConfigError(
                "model_options: api_key would be written beside the results; put the key in an environment "
                "variable and name that with api_key_variable."
            )
        for kind in ("benchmarks", "strategies"):
            titles = [entry.title for entry in cast("tuple[PluginConfig, ...]", getattr(self, kind))]
            twice = next((title for title in titles if titles.count(title) > 1), None)
            if twice is not None:
                raise ConfigError(f"{kind}: {twice!r} is listed twice; leave one out or give it another label.")
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
        given = {**(file.document if file else {}), **(overrides or {})}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise ConfigError(_explain(error, file, overrides or {})) from error

    @property
    def model_title(self) -> str:
        """What reports call the model: of a recording the recorded model's name, where that is given."""
        recorded = self.model_options.get("recorded")
        return recorded if isinstance(recorded, str) else self.model

    def plain(self) -> dict[str, JSON]:
        """Return the config as plain JSON, in the form that `load` reads."""
        return cast("dict[str, JSON]", self.model_dump(mode="json"))


def _explain(error: ValidationError, file: YamlFile | None, overrides: Mapping[str, object]) -> str:
    # A key that is missing is often there under a wrong name: that one is the mistake.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    location = first["loc"]
    key = ".".join(map(str, location))
    in_file = file is not None and location and location[0] not in overrides
    where = f"{file.place(location)}: " if file is not None and in_file else ""
    if first["type"] == "missing":
        return f"{where}{key!r} is missing; add it to the config or give it as an option (--{key.rstrip('s')})."
    if first["type"] == "extra_forbidden":
        allowed = PluginConfig if len(location) > 1 else EvalConfig
        return f"{where}the key {key!r} is unknown; there are: {', '.join(allowed.model_fields)}."
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}{key}={first['input']!r} is wrong: {message[0].lower()}{message[1:]}."
