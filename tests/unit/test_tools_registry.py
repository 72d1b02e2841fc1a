"""Tools by name: in files, on the command line, within strategies, and back to their names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ttscale import registry
from ttscale.cli import main
from ttscale.cli.settings import plain_default
from ttscale.engine import Engine
from ttscale.errors import ParameterError, PluginError, UnknownPlugin
from ttscale.run import Run
from ttscale.tasks import TaskKeeper
from ttscale.testing import FakeBackend, virtual_clock
from ttscale.testing.function_strategy import FunctionStrategy
from ttscale.tools import FunctionTool, LimitedTool, Limits, Tool, Toolbox, ToolResult, Tools, ToolServer
from ttscale.tools.arithmetic import add
from ttscale.tools.calculator import Calculator
from ttscale.tools.mcp import McpServer
from ttscale.tools.sandbox import PythonSandbox, SandboxLimits
from ttscale.types import JSON, Problem


@dataclass(frozen=True, kw_only=True)
class Agent:
    """Has tools."""

    tools: Tools = (Calculator(),)
    plain: tuple[Tool, ...] = ()
    one: Tool | None = None


def agent(**params: JSON) -> Agent:
    built = registry.build(Agent, params, label="the agent")
    assert isinstance(built, Agent)
    return built


def test_tools_are_named_like_verifiers() -> None:
    made = agent(
        tools=["calculator", "function:function=ttscale.tools.arithmetic:add", "mcp:command=[server, --quiet]"],
        plain=[{"name": "python", "params": {"limits": {"seconds": 2}, "requires": ["network"]}}],
        one="limited:tool={name: calculator, params: {exact: true}},concurrency=2,is_cached=true",
    )
    assert made.tools == (Calculator(), FunctionTool(function=add), McpServer(command=("server", "--quiet")))
    assert made.plain == (PythonSandbox(limits=SandboxLimits(seconds=2), requires=("network",)),)
    assert made.one == LimitedTool(tool=Calculator(exact=True), concurrency=2, is_cached=True)


@pytest.mark.parametrize(
    "tool",
    [
        Calculator(exact=True),
        FunctionTool(function=add, name="plus", timeout_seconds=3),
        LimitedTool(tool=FunctionTool(function=add), retries=2, usd_per_call=0.01),
        McpServer(url="http://127.0.0.1:1/mcp", only=("a", "b"), limits=Limits(concurrency=4)),
        PythonSandbox(),
    ],
)
def test_a_tool_is_described_by_a_spec_that_builds_it_again(tool: Tool | ToolServer) -> None:
    assert registry.create_tool(str(registry.describe(tool))) == tool


def test_a_function_that_has_no_place_cannot_be_described() -> None:
    with pytest.raises(PluginError, match="cannot be imported by name"):
        registry.describe(FunctionTool(function=lambda: None, name="nothing"))


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("calculater", UnknownPlugin, "did you mean 'calculator'"),
        ("calculator:digits=3", ParameterError, "no parameter 'digits'"),
        ("search", ParameterError, "needs the parameter 'path'"),
        ("sql:path=/nowhere.db", ParameterError, "cannot be read"),
        ("mcp", ParameterError, "either the command"),
        ("mcp:command=[x],url=y", ParameterError, "either the command"),
        ("function:function=nowhere:f", ParameterError, "cannot be imported"),
        ("limited:tool=mcp:url=x", ParameterError, "limits are of one tool"),
        ("python:requires=[walls]", ParameterError, "requires"),
        ("python:limits={memory_bytes: 1}", ParameterError, "memory_bytes"),
    ],
)
def test_what_is_wrong_with_a_tool_is_a_sentence(spec: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        registry.create_tool(spec)


def test_a_default_is_shown_as_it_is_written() -> None:
    assert plain_default((FunctionTool(function=add),)) == [
        {
            "name": "function",
            "params": {
                "function": "ttscale.tools.arithmetic:add",
                "timeout_seconds": 30.0,
                "name": "add",
                "description": "Add two whole numbers.",
            },
        }
    ]


def test_tools_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "tools", "--json"]) == 0
    tools = {tool["name"]: tool for tool in json.loads(capsys.readouterr().out)}
    assert tools.keys() >= {"calculator", "function", "limited", "mcp", "python", "read", "search", "sql"}
    assert all(tool["description"] and tool["error"] is None for tool in tools.values())
    assert {"name": "path", "type": "str", "default": None, "required": True} in tools["sql"]["parameters"]


def test_every_builtin_says_its_arguments(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    for spec in ("calculator", "python", f"search:path={tmp_path}/a.jsonl", f"read:path={tmp_path}/a.jsonl"):
        tool = registry.create_tool(spec)
        assert isinstance(tool, Tool)
        assert tool.name == spec.partition(":")[0]
        assert tool.parameters["type"] == "object"
        assert len(tool.parameters["required"]) == 1  # type: ignore[arg-type]


# ── servers ───────────────────────────────────────────────────────────────────────────────────────────────


class Server:
    """Has two tools, and counts how often it was connected to and who kept it."""

    def __init__(self) -> None:
        self.keepers = list[TaskKeeper]()

    async def connect(self, keeper: TaskKeeper, /) -> Sequence[Tool]:
        self.keepers.append(keeper)
        return [FunctionTool(function=add), Echo()]


class Echo:
    """Says what it is told."""

    name = "echo"
    description = "Echo."
    parameters: Mapping[str, JSON] = {"type": "object"}

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        await asyncio.sleep(1)
        return ToolResult(value=dict(arguments))


@virtual_clock
async def test_the_tools_of_a_server_are_put_beside_the_others_and_live_with_the_engine() -> None:
    server = Server()

    async def body(run: Run) -> str:
        box = await Toolbox.open(run, (Calculator(), server))
        result = await box.call(run, "echo", {"self": "$2", "run": 1})
        return f"{box.names} {result.text}"

    async with Engine(FakeBackend("x")) as engine:
        outcome = await engine.solve(Problem.ask("Q"), strategy=FunctionStrategy(body=body))
        assert server.keepers == [engine.room.keeper]
    assert outcome.answer == "('calculator', 'add', 'echo') {\"self\": \"$2\", \"run\": 1}"
