"""Tools of servers that speak the Model Context Protocol, through its official client."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TextIO, cast
from weakref import WeakKeyDictionary

from ttscale.errors import ConfigError, MissingExtra, TTScaleError
from ttscale.tasks import TaskKeeper
from ttscale.tools.limited import Limits, with_limits
from ttscale.tools.schema import check_arguments
from ttscale.tools.text import shortened, visible
from ttscale.tools.tool import Tool, ToolResult
from ttscale.types import JSON

if TYPE_CHECKING:
    from mcp import Client
    from mcp.client import Transport
    from mcp.types import CallToolResult
    from mcp.types import Tool as McpDeclaration

_MOST_PAGES: Final = 100
"""Pages of a list of tools; a server that never ends its list cannot hold anybody up."""
_MOST_TOLD: Final = 500
"""Characters of what a server wrote before it failed to start."""
_CONNECTION_CLOSED: Final = -32000
"""The client's error code for a connection that is gone."""


class ServerUnavailable(ConfigError):
    """A server of tools does not start, cannot be reached, or does not speak the protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """The tools of a server that speaks MCP: a program on its standard streams, or an address (streamed HTTP).

    A program is started once for all runs of an engine, with `PATH`, `HOME` and the like for an environment,
    and ends with the engine. Give either `command` or `url`. Its tools are asked for once.

    Raises:
        ValueError: neither `command` nor `url` is given, or both are, or a time is not > 0.
    """

    command: tuple[str, ...] = ()
    """A program with its arguments."""
    url: str | None = None
    """An address, such as ``http://127.0.0.1:8000/mcp``."""
    environment: tuple[str, ...] = ()
    """Names of environment variables that the program is given too."""
    token_variable: str | None = None
    """Environment variable with a bearer token for the address."""
    only: tuple[str, ...] = ()
    """Names of the tools to take; empty: all."""
    limits: Limits = field(default_factory=Limits)
    """Of each of its tools."""
    timeout_seconds: float = 30.0
    """Longest time of a call, > 0."""
    start_seconds: float = 30.0
    """Longest time to start, connect and list the tools, > 0."""
    _connections: WeakKeyDictionary[TaskKeeper, _Connection] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if bool(self.command) == (self.url is not None):
            raise ValueError("give either the command that starts the server or its url")
        for name in ("timeout_seconds", "start_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be > 0, got {getattr(self, name)!r}")

    async def connect(self, keeper: TaskKeeper, /) -> Sequence[Tool]:
        """Return its tools, over a connection that lives as long as the keeper; another call uses the same.

        A connection that was lost is made anew.

        Raises:
            ServerUnavailable: it does not start, or cannot be reached.
            MissingExtra: the client is not installed.
        """
        connection = self._connections.get(keeper)
        if connection is None or connection.is_lost:
            connection = self._connections[keeper] = _Connection(self)
            task = keeper.spawn(connection.hold(), on_error=connection.fail, name=f"tools of {self._label}")
            task.add_done_callback(connection.end)
        # Whoever stops waiting must not keep the others from their tools.
        return await asyncio.shield(connection.tools)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Sequence[Tool]]:
        """Connect for the length of a block, in one task. Errors as `connect`."""
        async with self.client() as client:
            lost = asyncio.Event()
            yield await self.listed(client, lost)
            lost.set()

    @property
    def _label(self) -> str:
        return repr(self.url or " ".join(self.command))

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Client]:
        """Start or reach the server and shake hands."""
        try:
            from mcp import Client
        except ImportError:
            raise MissingExtra("mcp", "mcp") from None
        failure: Exception | None = None
        async with AsyncExitStack() as stack:
            # What the program writes beside the protocol is kept to be quoted if it does not start.
            told = stack.enter_context(_text_file())
            try:
                async with asyncio.timeout(self.start_seconds):
                    client = await stack.enter_async_context(Client(await self._transport(stack, told)))
            except TimeoutError:
                raise self.unavailable(f"no answer within {self.start_seconds:g} s", told) from None
            except TTScaleError:
                raise
            except Exception as error:  # whatever the client, the network or the program comes up with
                raise self.unavailable(_reasons(error), told) from error
            try:
                yield client
            except Exception as error:  # on its way out the client would wrap it in groups
                failure = error
        if failure is not None:
            raise failure

    async def _transport(self, stack: AsyncExitStack, told: TextIO) -> Transport:
        from mcp import StdioServerParameters, stdio_client
        from mcp.client.streamable_http import streamable_http_client
        from mcp.shared._httpx_utils import create_mcp_http_client

        if self.url is None:
            program, *arguments = self.command
            environment = {name: os.environ[name] for name in self.environment if name in os.environ}
            parameters = StdioServerParameters(command=program, args=arguments, env=environment)
            return stdio_client(parameters, errlog=told)
        token = os.environ.get(self.token_variable) if self.token_variable else None
        if self.token_variable and not token:
            raise ServerUnavailable(f"the environment variable {self.token_variable!r} is not set; set it.")
        headers = {"Authorization": f"Bearer {token}"} if token else None
        http = await stack.enter_async_context(create_mcp_http_client(headers=headers))
        return streamable_http_client(self.url, http_client=http)

    async def listed(self, client: Client, lost: asyncio.Event) -> list[Tool]:
        """Return the tools of all pages of the server's list."""
        found, cursor = dict[str, Tool](), None
        try:
            async with asyncio.timeout(self.start_seconds):
                for _ in range(_MOST_PAGES):
                    page = await client.list_tools(cursor=cursor)
                    for declared in page.tools:
                        if not self.only or declared.name in self.only:
                            found.setdefault(declared.name, _tool(self, client, lost, declared))
                    cursor = page.next_cursor
                    if not cursor:
                        break
        except TimeoutError:
            raise self.unavailable(f"no list of tools within {self.start_seconds:g} s") from None
        except Exception as error:  # as above
            raise self.unavailable(_reasons(error)) from error
        if missing := [name for name in self.only if name not in found]:
            raise self.unavailable(f"it has no tool {missing[0]!r}")
        return list(found.values())

    def unavailable(self, why: str, told: TextIO | None = None) -> ServerUnavailable:
        """Return the error that says why there are no tools of it, with what it told before."""
        text = ""
        if told is not None:
            told.seek(0)
            text = visible(told.read()[-_MOST_TOLD:]).strip()
        wrote = f"; it wrote: {text}" if text else ""
        return ServerUnavailable(f"the MCP server {self._label} is not available: {why}{wrote}")


@dataclass(frozen=True, slots=True, kw_only=True)
class McpTool:
    """One tool of a server that is connected; made by `McpServer`."""

    name: str
    description: str
    parameters: Mapping[str, JSON]
    timeout_seconds: float
    _client: Client = field(repr=False, compare=False)
    _lost: asyncio.Event = field(repr=False, compare=False)

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        """Check the arguments against the server's schema and call the tool.

        What it returns as structured content is the value, its text where there is none.
        """
        from mcp import MCPError

        if wrong := check_arguments(self.parameters, arguments):
            return ToolResult(error=f"{self.name} was called with wrong arguments: {wrong}")
        if self._lost.is_set():
            return ToolResult(error=f"{self.name} failed: its server is gone", is_transient=True)
        deadline = asyncio.timeout(self.timeout_seconds)
        try:
            async with deadline:
                result = await self._client.call_tool(self.name, dict(arguments))
        except TimeoutError:
            return ToolResult(
                error=f"{self.name} took longer than {self.timeout_seconds:g} s", is_transient=True
            )
        except MCPError as refused:
            is_gone = refused.code == _CONNECTION_CLOSED
            if is_gone:
                self._lost.set()
            return ToolResult(error=f"{self.name} failed: {refused.message}", is_transient=is_gone)
        except Exception as broken:  # whatever the client or the network comes up with
            return ToolResult(error=f"{self.name} failed: {_reasons(broken)}")
        return _result(result)


def _tool(server: McpServer, client: Client, lost: asyncio.Event, declared: McpDeclaration) -> Tool:
    tool = McpTool(
        name=declared.name,
        description=declared.description or declared.title or "",
        parameters=cast("Mapping[str, JSON]", declared.input_schema),
        timeout_seconds=server.timeout_seconds,
        _client=client,
        _lost=lost,
    )
    return tool if server.limits == Limits() else with_limits(tool, server.limits)


def _result(result: CallToolResult) -> ToolResult:
    text = "\n".join(_block(block.model_dump(mode="json")) for block in result.content)
    if result.is_error:
        return ToolResult(error=text or "the tool failed and does not say why")
    structured = cast("JSON", result.structured_content)
    if structured is None:
        return ToolResult(value=text)
    if isinstance(structured, Mapping) and set(structured) == {"result"}:  # how plain values are wrapped
        return ToolResult(value=structured["result"])
    return ToolResult(value=structured)


def _block(block: Mapping[str, Any]) -> str:
    """Return a piece of content as text; what is none is named."""
    match block:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "resource", "resource": {"text": str(text)}}:
            return text
        case {"type": "resource_link", "uri": uri}:
            return f"[{uri}]"
        case _:
            return f"[{block.get('type')}: {block.get('mimeType') or block.get('mime_type') or 'unknown'}]"


def _text_file() -> TextIO:
    return cast("TextIO", tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))


def _reasons(error: BaseException) -> str:
    """Return what is at the bottom of an exception, groups taken apart."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_reasons(inner) for inner in error.exceptions)
    return shortened(visible(f"{type(error).__name__}: {error}"), _MOST_TOLD)


class _Connection:
    """One open connection, held by a task of its keeper: only the task that opens a client may close it."""

    def __init__(self, server: McpServer) -> None:
        self._server = server
        self.tools: asyncio.Future[Sequence[Tool]] = asyncio.get_running_loop().create_future()
        self._lost = asyncio.Event()

    @property
    def is_lost(self) -> bool:
        return self._lost.is_set()

    async def hold(self) -> None:
        async with self._server.client() as client:
            self.tools.set_result(await self._server.listed(client, self._lost))
            await self._lost.wait()

    def fail(self, error: Exception) -> None:
        """Tell those who wait for the tools; whoever has them learns it from the next call."""
        if not self.tools.done():
            self.tools.set_exception(error)
            self.tools.exception()  # it may be that nobody waits

    def end(self, _task: asyncio.Task[None]) -> None:
        self._lost.set()
        self.fail(self._server.unavailable("it was closed"))
