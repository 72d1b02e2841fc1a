"""Tools a strategy may call through `Run.call`."""

from __future__ import annotations

from ttscale.tools.tool import FunctionTool, Tool, ToolResult

__all__ = ["FunctionTool", "Tool", "ToolResult"]
