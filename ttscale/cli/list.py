"""``ttscale list``: the plugins that are installed, and what they take."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from ttscale.cli.console import echo, echo_json, one_line, quiet_stdout
from ttscale.cli.options import AsJson
from ttscale.errors import ConfigError

if TYPE_CHECKING:
    from ttscale.cli.plugins import PluginInfo
    from ttscale.registry import Kind

_KINDS: Final = ("strategies", "verifiers", "benchmarks", "backends", "tools")


def list_plugins(
    kind: Annotated[str, typer.Argument(metavar="|".join(_KINDS), help="What to list.")],
    as_json: AsJson = False,
) -> None:
    """List what is installed: names, parameters with their defaults, where it comes from."""
    from ttscale.cli.plugins import inspect_all

    if kind not in _KINDS:
        raise ConfigError(f"{kind!r} cannot be listed; write `ttscale list` with one of {', '.join(_KINDS)}.")
    with quiet_stdout():  # third-party modules may print while they are imported
        plugins = inspect_all(cast("Kind", kind))
    if as_json:
        echo_json([plugin.to_json() for plugin in plugins])
    else:
        echo("\n\n".join(render_plugin(plugin) for plugin in plugins))


def render_plugin(plugin: PluginInfo) -> str:
    """Return one plugin for the terminal, a line for each thing known of it."""
    source = "" if plugin.source == "builtin" else f"  [{one_line(plugin.source)}]"
    lines = [f"{one_line(plugin.name)}{source}"]
    if plugin.error is not None:
        return "\n".join([*lines, f"    BROKEN: {one_line(plugin.error)}"])
    if plugin.description:
        lines.append(f"    {one_line(plugin.description)}")
    lines += [f"      {one_line(str(parameter))}" for parameter in plugin.parameters]
    if plugin.needs_target:
        lines.append("    reads the reference answer")
    if plugin.needs:
        lines.append(f"    needs of the model: {one_line(', '.join(plugin.needs))}")
    if plugin.also_named:
        lines.append("    by name:")
        names = wrap(one_line(", ".join(plugin.also_named)), width=100)
        lines += [f"      {line}" for line in names]
    return "\n".join(lines)
