"""What holds for every plugin: the registry can build it from plain parameters and describe it again."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from ttscale import registry
from ttscale.backends.base import Capabilities, alternatives
from ttscale.errors import PluginError
from ttscale.strategy import Strategy, demands
from ttscale.testing.clauses import expect
from ttscale.verifier import Verifier


def check_plugin(plugin: object, kind: registry.Kind, protocol: type) -> None:
    """Raise an AssertionError unless a strategy or verifier is what the registry can build and describe."""
    cls = type(plugin)
    expect(isinstance(plugin, protocol), f"{cls.__name__} lacks a member of {protocol.__name__}")
    expect(is_dataclass(plugin), f"{cls.__name__} is not a dataclass")
    expect(cls.__dataclass_params__.frozen, f"{cls.__name__} is not frozen")  # type: ignore[attr-defined]
    positional = [f.name for f in fields(plugin) if f.init and not f.kw_only]  # type: ignore[arg-type]
    expect(not positional, f"the fields {positional} are not keyword-only")
    expect(bool((cls.__doc__ or "").strip()), f"{cls.__name__} has no docstring")
    known = {f.name for f in fields(Capabilities)}
    needs = frozenset[str]().union(*demands(plugin).values()) if isinstance(plugin, Strategy | Verifier) else ()
    unknown = sorted(need for need in needs if not known.issuperset(alternatives(need)))
    expect(not unknown, f"it needs {unknown}, which are no capabilities")
    try:
        spec = registry.describe(plugin)
    except PluginError:
        return  # it has no name to be built again by
    again = registry.Spec.parse(str(spec))
    rebuilt = registry.create(kind, again.name, again.params)
    expect(rebuilt == plugin, f"built again from {str(spec)!r} it is {rebuilt!r}, it was {plugin!r}")
