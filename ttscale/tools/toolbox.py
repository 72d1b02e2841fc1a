"""`Toolbox`: the tools of one run, found by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Self

from ttscale.errors import ToolError
from ttscale.tools.limited import Limits, with_limits
from ttscale.tools.tool import Tool, ToolResult, ToolServer
from ttscale.types import JSON

if TYPE_CHECKING:
    from ttscale.run import Run


class Toolbox:
    """Tools by name, in order.

    ```python
    box = await Toolbox.open(run, self.tools)
    result = await box.call(run, "search", {"query": "tides"})
    ```
    """

    def __init__(self, tools: Iterable[Tool], *, limits: Mapping[str, Limits] | None = None) -> None:
        """Put tools together.

        Args:
            tools: of different names.
            limits: of some of them, by name; they hold for the calls through this toolbox.

        Raises:
            ToolError: two tools have the same name, or there is a limit on a tool that is not there.
        """
        bounds = dict(limits or {})
        self._tools = dict[str, Tool]()
        for tool in tools:
            if tool.name in self._tools:
                raise ToolError(f"two tools are called {tool.name!r}; give one of them another name")
            bound = bounds.pop(tool.name, None)
            self._tools[tool.name] = tool if bound is None else with_limits(tool, bound)
        if bounds:
            raise ToolError(f"there are limits on {', '.join(map(repr, bounds))}; {self._known()}")

    @classmethod
    async def open(
        cls, run: Run, tools: Iterable[Tool | ToolServer], *, limits: Mapping[str, Limits] | None = None
    ) -> Self:
        """Put tools together, those of servers included: connected to once, for all runs of the engine.

        Raises:
            ConfigError: a server does not start, or cannot be reached.
            ToolError: as the constructor.
        """
        found = list[Tool]()
        for tool in tools:
            if isinstance(tool, ToolServer):
                found += await tool.connect(run.room.keeper)
            else:
                found.append(tool)
        return cls(found, limits=limits)

    def __getitem__(self, name: str) -> Tool:
        """Return the tool of that name.

        Raises:
            ToolError: there is none; the message names those there are.
        """
        tool = self._tools.get(name)
        if tool is None:
            raise ToolError(self.unknown(name))
        return tool

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all tools."""
        return tuple(self._tools)

    def unknown(self, name: str) -> str:
        """Return what a model is told that asks for a tool which is not there."""
        close = get_close_matches(name, self._tools, n=1)
        hint = f"did you mean {close[0]!r}?" if close else self._known()
        return f"no tool is called {name!r}; {hint}"

    def _known(self) -> str:
        return f"there are: {', '.join(self._tools) or 'none'}"

    async def call(self, run: Run, name: str, arguments: Mapping[str, JSON]) -> ToolResult:
        """Call a tool by name, charged to the run; an unknown name is an error like any other, free of charge.

        Raises:
            BudgetExhausted: the call does not fit the budget.
        """
        tool = self._tools.get(name)
        if tool is None:
            return ToolResult(error=self.unknown(name))
        return await run.call(tool, **arguments)
