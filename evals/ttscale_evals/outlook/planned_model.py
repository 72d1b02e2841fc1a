"""The model of a plan: one that could be started here, or one of which only a file says what it is like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ttscale.backends import Backend, ModelProfile, load_backend
from ttscale.backends.load import parse_model_uri
from ttscale.budget import Budget
from ttscale.errors import ConfigError
from ttscale.planning import Cast, Hardware, Load, latency, read_geometry
from ttscale.planning.hardware import config_folders
from ttscale.strategy import Strategy
from ttscale_evals.outlook.known import look_at

_PREFIX_BLOCK: Final = 16
"""Tokens of a block where the engine has not said it: vLLM's on a GPU."""
_BATCH_SIZE: Final = 256
"""Of a model that is known by a file only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedModel:
    """What is known of a model that is not started."""

    title: str
    """As the user wrote it."""
    profile: ModelProfile
    batch_size: int
    prefix_block: int | None
    is_here: bool
    """Whether `title` is a model URI."""

    def needs_uri(self) -> str:
        """Return its URI.

        Raises:
            ConfigError: it has none.
        """
        if not self.is_here:
            raise ConfigError(
                f"{self.title!r} is known by a file only and draws no samples; a pilot needs a model URI, "
                f"--model abacus say."
            )
        return self.title

    def cast(self, machine: Hardware | None, strategy: Strategy, budget: Budget, *, concurrency: int) -> Cast:
        """Return how an understudy plays it.

        Args:
            machine: gives the pace; ``None``: a token takes a second.
            strategy: how many samples it has at work makes the pace.
            budget: of a question.
            concurrency: questions at work at once.

        Raises:
            ConfigError: the budget limits time, and nobody knows how long anything takes.
        """
        pace = None if machine is None else self._pace(machine, strategy, concurrency)
        if pace is None and budget.seconds is not None:
            raise ConfigError(
                "a budget of seconds can be planned for a model of known geometry on a machine; name it with "
                "--hardware h100, say."
            )
        return Cast(
            profile=self.profile,
            seconds_per_token=pace or 1.0,
            prefix_block=self.prefix_block,
            batch_size=self.batch_size,
        )

    def _pace(self, machine: Hardware, strategy: Strategy, concurrency: int) -> float | None:
        """Return the seconds of a decode step with all samples at work that may be."""
        most = strategy.max_samples() or 1
        width = max(1, min(self.batch_size, most * concurrency))
        one = Load(
            prompt_computed=0, generated=width, critical_path_tokens=1, kv_token_steps=0, peak_kv_tokens=0
        )
        step = latency(self.profile, machine, one)
        return None if step is None else step.decode_seconds


def plan_model(name: str, *, prefix_cache: bool | None) -> PlannedModel:
    """Return a model by its URI, or by the name or path of a file that describes it; nothing is started.

    Args:
        name: the URI, or the name in ``configs/models``, or the path.
        prefix_cache: whether the engine has one; ``None``: as it usually does.

    Raises:
        ConfigError: there is no such model, or the file is wrong.
    """
    described = _described(name)
    if described is not None:
        block = None if prefix_cache is False else _PREFIX_BLOCK
        return PlannedModel(
            title=name, profile=described, batch_size=_BATCH_SIZE, prefix_block=block, is_here=False
        )
    backend = load_backend(name)
    has_cache = _has_cache(backend) if prefix_cache is None else prefix_cache
    known = look_at(backend)
    block = known.profile.prefix_block or backend.profile.prefix_block or _PREFIX_BLOCK
    return PlannedModel(
        title=name,
        profile=known.profile,
        batch_size=backend.batch_size,
        prefix_block=block if has_cache else None,
        is_here=True,
    )


def _has_cache(backend: Backend) -> bool:
    return backend.capabilities.prefix_cache


def _described(name: str) -> ModelProfile | None:
    """Return what a file says of a model; ``None``: the name is a model's URI, or a file that names one."""
    if name.endswith((".yaml", ".yml")):
        return None if _names_uri(name) else read_geometry(name)
    if any((folder / f"{name}.yaml").is_file() for folder in config_folders("models")):
        return read_geometry(name)
    parse_uri(name)
    return None


def parse_uri(name: str) -> None:
    """Raise ConfigError where a name is neither a URI nor that of a profile; the message names both."""
    try:
        parse_model_uri(name)
    except ConfigError as error:
        known = sorted({path.stem for folder in config_folders("models") for path in folder.glob("*.yaml")})
        raise ConfigError(
            f"{str(error).rstrip('.')}, or a name in configs/models: {', '.join(known)}."
        ) from error


def _names_uri(path: str) -> bool:
    """Whether a YAML file is of the kind that names a backend's model."""
    import yaml

    try:
        with open(path, encoding="utf-8") as file:  # read_geometry says what is wrong with it
            document: object = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    return isinstance(document, dict) and "model" in document
