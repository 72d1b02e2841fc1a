"""Tool calls within a run: what they cost, and where they stand in its trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ttscale.budget import Amount
from ttscale.errors import BudgetExhausted, ConfigError
from ttscale.tools import Tool, ToolResult, most_usd
from ttscale.tools.stopping import stoppable
from ttscale.types import JSON, Usage

if TYPE_CHECKING:
    from ttscale.budget import Scope
    from ttscale.run.run import Run

_MOST_TRACED: Final = 500
"""Characters of a result that the trace keeps."""


async def call_tool(run: Run, scope: Scope, tool: Tool, arguments: Mapping[str, JSON]) -> ToolResult:
    """Call a tool, charge it, and note it in the trace. Errors as `Run.call`."""
    most = Amount(tool_calls=1, usd=most_usd(tool))
    reservation = await scope.reserve(lambda _: most, 1)
    span, path, began = run.open_span("tool", tool.name), run.critical_path_seconds, run.now()
    usd, waited = most.usd, 0.0  # a call that is cut short may have been paid for
    try:
        result = await _result(tool, arguments)
        usd, waited = result.usd, result.waited_seconds
    finally:
        reservation.commit(Usage(tool_calls=1, usd=usd))
        run.trace.close(span)
        run.advance(0, path + run.now() - began - waited)
    span.attributes["error"] = result.error
    span.attributes["text"] = result.shown(_MOST_TRACED)
    span.attributes["reused"] = result.is_reused
    return result


async def _result(tool: Tool, arguments: Mapping[str, JSON]) -> ToolResult:
    try:
        return await stoppable(tool.call(arguments))
    except (BudgetExhausted, ConfigError):
        raise
    except Exception as error:  # a tool that breaks its promise is an observation like any other
        return ToolResult(error=f"{tool.name} failed: {type(error).__name__}: {error}")
