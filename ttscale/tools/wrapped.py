"""What a tool hands on that stands before another."""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.tools.tool import Tool
from ttscale.types import JSON


class WrappedTool:
    """Presents itself as the tool behind it; a subclass is a dataclass with the field `tool`, and calls it."""

    __slots__ = ()

    tool: Tool

    @property
    def name(self) -> str:
        """The tool's."""
        return self.tool.name

    @property
    def description(self) -> str:
        """The tool's."""
        return self.tool.description

    @property
    def parameters(self) -> Mapping[str, JSON]:
        """The tool's."""
        return self.tool.parameters

    @property
    def most_usd(self) -> float:
        """The most that one call may cost, in US dollars; the tool's."""
        return most_usd(self.tool)


def most_usd(tool: Tool) -> float:
    """Return the most that one call of a tool may cost, in US dollars; 0 where it does not say: `most_usd`."""
    most: float = getattr(tool, "most_usd", 0.0)
    return most
