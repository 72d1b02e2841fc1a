"""Tools of a real MCP server, on its standard streams and over HTTP: calls, failures, its death, its end."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

import pytest

from ttscale.engine import Engine
from ttscale.run import Run
from ttscale.tasks import TaskKeeper
from ttscale.testing import FakeBackend
from ttscale.testing.function_strategy import FunctionStrategy
from ttscale.tools import LimitedTool, Limits, Tool, Toolbox
from ttscale.tools.mcp import McpServer, ServerUnavailable
from ttscale.types import Problem

pytestmark = pytest.mark.integration
pytest.importorskip("mcp")

PROGRAM = Path(__file__).with_name("mcp_server.py")
STDIO = (sys.executable, str(PROGRAM), "stdio")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Popen([sys.executable, str(PROGRAM), "http"], stdout=PIPE, stderr=DEVNULL, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.kill()


@pytest.fixture(params=["stdio", "http"])
def server(request: pytest.FixtureRequest, url: str) -> McpServer:
    return McpServer(command=STDIO) if request.param == "stdio" else McpServer(url=url)


async def tools_of(server: McpServer, keeper: TaskKeeper) -> dict[str, Tool]:
    return {tool.name: tool for tool in await server.connect(keeper)}


async def test_its_tools_are_listed_page_by_page_and_called(
    server: McpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "the secret")
    async with TaskKeeper("the test") as keeper:
        tools = await tools_of(server, keeper)
        assert {"add", "describe", "fail", "wait", "big", "variable"} <= tools.keys()
        assert tools["add"].description == "Add two whole numbers."
        assert list(tools["add"].parameters["properties"]) == ["left", "right"]  # type: ignore[arg-type]
        assert (await tools["add"].call({"left": 1, "right": 2})).value == 3
        assert (await tools["describe"].call({"city": "Paris"})).value == {"city": "Paris", "country": "France"}
        if server.command:
            assert (await tools["variable"].call({"name": "SECRET_KEY"})).value == "unset"


async def test_failures_are_observations(server: McpServer) -> None:
    async with TaskKeeper("the test") as keeper:
        tools = await tools_of(server, keeper)
        wrong = await tools["add"].call({"left": "x"})
        failed = await tools["fail"].call({"why": "no luck"})
        big = await tools["big"].call({"length": 1_000_000})
    assert wrong.error is not None
    assert "left: 'x' is not of type 'integer'" in wrong.error
    assert "no luck" in (failed.error or "")
    assert big.text.startswith("$2 \\x1b[31mxxx")
    assert len(big.text) < 9_000


async def test_a_call_that_hangs_is_given_up_and_the_connection_is_still_good(server: McpServer) -> None:
    hasty = McpServer(command=server.command, url=server.url, timeout_seconds=0.5)
    async with TaskKeeper("the test") as keeper:
        tools = await tools_of(hasty, keeper)
        result = await tools["wait"].call({"seconds": 60})
        assert (result.error, result.is_transient) == ("wait took longer than 0.5 s", True)
        assert (await tools["add"].call({"left": 1, "right": 2})).value == 3


async def test_the_death_of_a_server_is_an_observation_and_the_next_to_connect_starts_it_anew() -> None:
    server = McpServer(command=STDIO)
    async with TaskKeeper("the test") as keeper:
        tools = await tools_of(server, keeper)
        died = await tools["die"].call({})
        after = await tools["add"].call({"left": 1, "right": 2})
        assert died.is_transient
        assert after.error == "add failed: its server is gone"
        again = await tools_of(server, keeper)
        assert (await again["add"].call({"left": 1, "right": 2})).value == 3


async def test_one_process_serves_all_runs_of_an_engine_and_ends_with_it() -> None:
    server = McpServer(command=STDIO, only=("add", "pid"), limits=Limits(is_cached=True, concurrency=1))

    async def body(run: Run) -> str:
        box = await Toolbox.open(run, (server,))
        assert box.names == ("add", "pid")
        assert isinstance(box["pid"], LimitedTool)
        return (await box.call(run, "pid", {})).text

    async with Engine(FakeBackend("x")) as engine, asyncio.TaskGroup() as group:
        strategy = FunctionStrategy(body=body)
        solving = [group.create_task(engine.solve(Problem.ask("Q"), strategy=strategy)) for _ in range(3)]
    (pid,) = {task.result().answer for task in solving}
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


async def test_a_block_opens_and_closes_a_connection_without_an_engine(server: McpServer) -> None:
    async with server.open() as tools:
        (add,) = (tool for tool in tools if tool.name == "add")
        assert (await add.call({"left": 20, "right": 22})).value == 42
    assert (await add.call({"left": 20, "right": 22})).error == "add failed: its server is gone"


@pytest.mark.parametrize(
    ("server", "why"),
    [
        (McpServer(command=("/nowhere/server",)), "No such file"),
        (
            McpServer(command=(sys.executable, "-c", "import sys; sys.exit('no\x1b[31m way')")),
            r"it wrote: no\\x1b",
        ),
        (
            McpServer(command=(sys.executable, "-c", "import time; time.sleep(60)"), start_seconds=0.5),
            "within 0.5 s",
        ),
        (McpServer(command=(sys.executable, "-c", "print('hello')")), "is not available"),
        (McpServer(url="http://127.0.0.1:9/mcp"), "is not available"),
        (McpServer(command=STDIO, only=("nonsense",)), "no tool 'nonsense'"),
        (McpServer(url="http://127.0.0.1:9/mcp", token_variable="NO_SUCH_TOKEN"), "NO_SUCH_TOKEN"),
    ],
)
async def test_a_server_that_does_not_start_is_a_sentence(server: McpServer, why: str) -> None:
    async with TaskKeeper("the test") as keeper:
        with pytest.raises(ServerUnavailable, match=why):
            await server.connect(keeper)
