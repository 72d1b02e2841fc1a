"""What is known of the installed plugins: where each comes from, what it takes, whether it can be loaded."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, fields, is_dataclass
from importlib.metadata import entry_points
from typing import Final, Literal, cast, get_origin

from ttscale import registry
from ttscale.cli.settings import plain_default
from ttscale.errors import TTScaleError
from ttscale.registry import Kind, Spec
from ttscale.types import JSON

BUILTIN: Final = "builtin"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a plugin."""

    name: str
    type: str
    default: JSON = None
    required: bool = False

    def __str__(self) -> str:
        """Return ``name: type = default``, as Python writes it."""
        written = "" if self.required else f" = {_shown(self.default)}"
        return f"{self.name}: {self.type}{written}"


def _shown(value: JSON) -> str:
    """Return a default as the command line takes it; a nested plugin by its spec."""
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        params = value.get("params")
        return str(Spec(cast("str", value["name"]), params if isinstance(params, dict) else {}))
    if (isinstance(value, str) and value != value.strip()) or value == "":
        return json.dumps(value)
    return "null" if value is None else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """One plugin of a kind."""

    name: str
    source: str
    """``"builtin"``, or the distribution it comes from with its version."""
    description: str = ""
    """The first sentence of its docstring."""
    parameters: tuple[Parameter, ...] = ()
    needs: tuple[str, ...] = ()
    """Capabilities it needs of the model."""
    needs_target: bool = False
    """Whether it reads the reference answer: of use in an evaluation only."""
    also_named: tuple[str, ...] = ()
    """Names that stand for it with one of its parameters chosen."""
    error: str | None = None
    """Why it cannot be used here; ``None``: it can."""

    def to_json(self) -> dict[str, JSON]:
        """Return it as plain JSON."""
        document = asdict(self)
        document["parameters"] = [asdict(parameter) for parameter in self.parameters]
        document["needs"] = list(self.needs)
        document["also_named"] = list(self.also_named)
        return document


def inspect_all(kind: Kind) -> list[PluginInfo]:
    """Return every plugin of a kind, sorted by name; a broken one says what is wrong with it."""
    sources = _sources(kind)
    return [_inspect(kind, name, sources.get(name, BUILTIN)) for name in sorted(registry.names(kind))]


def _sources(kind: Kind) -> dict[str, str]:
    """Return the distribution of each third-party plugin; a built-in one of the same name wins."""
    found = dict[str, str]()
    if not registry.has_third_party(kind):  # to look for them again takes as long as all else
        return found
    targets = registry.names(kind)
    for point in entry_points(group=f"ttscale.{kind}"):
        if targets.get(point.name) == point.value:
            package = point.dist
            found[point.name] = f"{package.name} {package.version}" if package else "an unknown package"
    return found


def _inspect(kind: Kind, name: str, source: str) -> PluginInfo:
    try:
        cls = registry.load(kind, name)
        return PluginInfo(
            name=name,
            source=source,
            description=_first_sentence(cls),
            parameters=_parameters(cls),
            needs=tuple(sorted(getattr(cls, "needs", ()))),
            needs_target=bool(getattr(cls, "needs_target", False)),
            also_named=_also_named(cls),
        )
    except TTScaleError as error:
        return PluginInfo(name=name, source=source, error=str(error))
    except Exception as error:  # a third party's module may raise anything while it is imported
        return PluginInfo(name=name, source=source, error=f"{type(error).__name__}: {error}")


def _also_named(cls: type) -> tuple[str, ...]:
    names = cast("Callable[[], Sequence[str]] | None", getattr(cls, "also_named", None))
    return () if names is None else tuple(names())


def _first_sentence(cls: type) -> str:
    doc = inspect.cleandoc(cls.__doc__ or "")
    if doc.startswith(f"{cls.__name__}("):  # what the dataclass decorator writes where there is none
        return ""
    return " ".join(doc.split("\n\n")[0].split())


def _parameters(cls: type) -> tuple[Parameter, ...]:
    if not is_dataclass(cls):
        return ()
    return tuple(_parameter(cls, field) for field in fields(cls) if field.init)


def _parameter(cls: type, field: Field[object]) -> Parameter:
    written = _type_text(cls, field.type)
    if field.default is not MISSING:
        return Parameter(field.name, written, plain_default(field.default))
    if field.default_factory is not MISSING:
        return Parameter(field.name, written, plain_default(field.default_factory()))
    return Parameter(field.name, written, required=True)


def _type_text(cls: type, annotation: object) -> str:
    """Return a field's type as its author wrote it; the name of a set of choices as those choices."""
    if not isinstance(annotation, str):
        return getattr(annotation, "__name__", str(annotation))
    meant: object = (
        getattr(sys.modules.get(cls.__module__), annotation, None) if annotation.isidentifier() else None
    )
    return str(meant).removeprefix("typing.") if get_origin(meant) is Literal else annotation


def commands(words: Sequence[str]) -> dict[str, Callable[..., object] | str]:
    """Return the commands that plugins bring, or a line of help where one is not imported now.

    A command is a function, or a `typer.Typer` with commands of its own.

    Built-in commands import nothing slow. One of a third party is imported only when `words` call it.
    """
    sources = _sources("commands")
    found: dict[str, Callable[..., object] | str] = {}
    for name in sorted(registry.names("commands")):
        package = sources.get(name)
        if package is not None and name not in words:
            found[name] = f"A command of {package}."
            continue
        try:
            found[name] = cast("Callable[..., object]", registry.load("commands", name))
        except Exception as error:  # whatever is wrong with one command, the others must work
            found[name] = f"Broken: {error}"
    return found
