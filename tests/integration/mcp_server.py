"""A small MCP server: ``python mcp_server.py stdio``, or ``http``, which prints its port."""

from __future__ import annotations

import os
import socket
import sys

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ListToolsResult, PaginatedRequestParams


class PagedServer(MCPServer):
    """Lists its tools two at a time."""

    async def _handle_list_tools(self, ctx: object, params: PaginatedRequestParams | None) -> ListToolsResult:
        tools = await self.list_tools()
        start = int(params.cursor) if params is not None and params.cursor else 0
        end = start + 2
        return ListToolsResult(tools=tools[start:end], next_cursor=str(end) if end < len(tools) else None)


server = PagedServer("small")


@server.tool()
def add(left: int, right: int) -> int:
    """Add two whole numbers."""
    return left + right


@server.tool()
def describe(city: str) -> dict[str, str]:
    """Say where a city is."""
    return {"city": city, "country": "France"}


@server.tool()
def fail(why: str) -> str:
    """Fail."""
    raise ToolError(why)


@server.tool()
async def wait(seconds: float) -> str:
    """Wait."""
    await anyio.sleep(seconds)
    return "done"


@server.tool()
def big(length: int) -> str:
    """Say a lot."""
    return "$2 \x1b[31m" + "x" * length


@server.tool()
def die() -> str:
    """End the server."""
    os._exit(3)


@server.tool()
def pid() -> int:
    """Return the server's process id."""
    return os.getpid()


@server.tool()
def variable(name: str) -> str:
    """Read an environment variable."""
    return os.environ.get(name, "unset")


def serve_http() -> None:
    """Serve on a free port of this machine, and say which."""
    import uvicorn

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(server.streamable_http_app(), log_level="error")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    if sys.argv[1] == "http":
        serve_http()
    else:
        print("the small server is starting", file=sys.stderr)
        server.run("stdio")
