"""Tools a strategy may call through `Run.call`, and the `Toolbox` that finds them by name."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ttscale.tools.function import FunctionTool
    from ttscale.tools.limited import LimitedTool, Limits, with_limits
    from ttscale.tools.tool import Tool, ToolResult, Tools, ToolServer
    from ttscale.tools.toolbox import Toolbox
    from ttscale.tools.wrapped import WrappedTool, most_usd

_HOMES: Final = {
    "FunctionTool": "ttscale.tools.function",
    "LimitedTool": "ttscale.tools.limited",
    "Limits": "ttscale.tools.limited",
    "Tool": "ttscale.tools.tool",
    "ToolResult": "ttscale.tools.tool",
    "ToolServer": "ttscale.tools.tool",
    "Toolbox": "ttscale.tools.toolbox",
    "Tools": "ttscale.tools.tool",
    "WrappedTool": "ttscale.tools.wrapped",
    "most_usd": "ttscale.tools.wrapped",
    "with_limits": "ttscale.tools.limited",
}
"""Where each name comes from; imported when it is used, since the registry knows the protocols of tools."""

BUILTINS: Final = {
    "calculator": "ttscale.tools.calculator:Calculator",
    "function": "ttscale.tools.function:FunctionTool",
    "limited": "ttscale.tools.limited:LimitedTool",
    "mcp": "ttscale.tools.mcp:McpServer",
    "python": "ttscale.tools.sandbox.python:PythonSandbox",
    "read": "ttscale.tools.search:ReadTool",
    "search": "ttscale.tools.search:SearchTool",
    "sql": "ttscale.tools.sql:SqlTool",
}
"""Built-in tools by name, found without reinstalling."""

__all__ = [
    "BUILTINS",
    "FunctionTool",
    "LimitedTool",
    "Limits",
    "Tool",
    "ToolResult",
    "ToolServer",
    "Toolbox",
    "Tools",
    "WrappedTool",
    "most_usd",
    "with_limits",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ttscale.tools' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
