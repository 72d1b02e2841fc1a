"""Hardware profiles: how fast a machine computes and reads, what it holds, and what an hour of it costs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Final, TypeVar

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from ttscale.backends.base import ModelProfile
from ttscale.errors import ConfigError

T = TypeVar("T")
_Share = Annotated[float, Field(gt=0, le=1)]
_Positive = Annotated[float, Field(gt=0)]
CONFIGS: Final = Path("configs")
"""Where profiles lie, below the working directory or the source tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What a model runs on: one device, or several that are told as one."""

    name: str
    flops_per_second: _Positive
    """Peak of dense arithmetic in the type that the model is run in."""
    bytes_per_second: _Positive
    """Peak of reading from memory."""
    memory_bytes: _Positive
    usd_per_hour: Annotated[float, Field(ge=0)] | None = None
    """``None``: unknown."""
    compute_efficiency: _Share = 0.5
    """Share of the peak that prefill and batched decoding reach."""
    memory_efficiency: _Share = 0.7
    """Share of the peak that reading weights and caches reaches."""
    usable_memory: _Share = 0.9
    """Share of the memory that weights and caches may take."""
    seconds_per_step: Annotated[float, Field(ge=0)] = 0.0
    """What each decode step takes beside computing and reading."""
    sources: tuple[str, ...] = field(default=())
    """Where the numbers are from."""

    @property
    def flops_per_element(self) -> float:
        """Operations in the time that 2 bytes take to read: the E of Kinetics (arXiv:2506.05333)."""
        return 2.0 * self.flops_per_second / self.bytes_per_second

    def times(self, num_devices: int) -> Hardware:
        """Return so many of it as one, with perfect scaling."""
        if num_devices < 1:
            raise ConfigError(f"there is at least 1 device, got {num_devices!r}.")
        return replace(
            self,
            name=self.name if num_devices == 1 else f"{num_devices} × {self.name}",
            flops_per_second=num_devices * self.flops_per_second,
            bytes_per_second=num_devices * self.bytes_per_second,
            memory_bytes=num_devices * self.memory_bytes,
            usd_per_hour=None if self.usd_per_hour is None else num_devices * self.usd_per_hour,
        )


def read_hardware(name: str) -> Hardware:
    """Return a profile by its name, as ``h100``, or by the path of its YAML file.

    Raises:
        ConfigError: there is none, or it is not of the right form; the message names those there are.
    """
    return _read(
        find_config(name, "hardware"), Hardware, "name, flops_per_second, bytes_per_second, memory_bytes"
    )


def read_geometry(name: str) -> ModelProfile:
    """Return what is known of a model by the name or path of its YAML file; errors as `read_hardware`."""
    profile = _read(find_config(name, "models"), ModelProfile, "name, num_parameters, num_layers, num_heads …")
    for what in ("num_parameters", "num_layers", "num_heads", "num_kv_heads", "head_dim", "context_length"):
        value = getattr(profile, what)
        if value is not None and value < 1:
            raise ConfigError(f"the model file {name!r}: {what} must be >= 1, got {value!r}.")
    return profile


def find_config(name: str, folder: str) -> Path:
    """Return the file of a profile: a path, or a name in ``configs/FOLDER`` here or in the source tree.

    Raises:
        ConfigError: there is none.
    """
    if name.endswith((".yaml", ".yml")):
        return Path(name).expanduser()
    folders = config_folders(folder)
    for place in folders:
        if (path := place / f"{name}.yaml").is_file():
            return path
    known = sorted({path.stem for place in folders for path in place.glob("*.yaml")})
    has = f"there are {', '.join(known)}" if known else f"no {CONFIGS / folder} is here"
    raise ConfigError(f"{name!r} is no profile in {CONFIGS / folder} ({has}); name a YAML file instead.")


def config_folders(folder: str) -> list[Path]:
    """Return where profiles may lie, the working directory's first."""
    source_tree = Path(__file__).resolve().parents[2]
    places = dict.fromkeys((Path.cwd() / CONFIGS / folder, source_tree / CONFIGS / folder))
    return [place for place in places if place.is_dir()]


def _read(path: Path, kind: type[T], form: str) -> T:
    where = f"the profile {str(path)!r}"
    try:
        document: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror}; check the path.") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{where} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{where} holds no keys; it needs {form}.")
    known = set(kind.__dataclass_fields__)  # type: ignore[attr-defined]  # a dataclass
    if unknown := sorted(str(key) for key in document if key not in known):
        raise ConfigError(f"{where} has the unknown key {unknown[0]!r}; it needs {form}.")
    try:
        return TypeAdapter(kind).validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "it"
        raise ConfigError(f"{where}: {key} is wrong ({first['msg'].lower()}); it needs {form}.") from error
