"""Tool calls of an agent within its run: made, charged, timed, and shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ttscale.run import Run
from ttscale.tools import Tool, Toolbox, ToolResult
from ttscale.types import JSON
from ttscale_strategies.dag._journal import CallJournal, JournaledTool
from ttscale_strategies.dag.graph import Graph, Node
from ttscale_strategies.dag.plan_text import Diagnostic


@dataclass(slots=True)
class _Times:
    """Of one call, in seconds since the calls of its run were opened; ``None``: it never came to that."""

    planned: float
    tokens: int
    path_seconds: float
    began: float | None = None
    ended: float | None = None


class Calls:
    """Calls the tools of a toolbox for an `Executor`, each in a child of the run.

    What a call depends on is its plan as far as it had been written by then, and the calls it needs: the run's
    critical path is the longest chain of those, not of whatever else went on.
    """

    def __init__(self, run: Run, box: Toolbox, *, journal: CallJournal | None = None) -> None:
        self.box = box
        self._journal = journal
        self._run = run
        self._opened = run.now()
        self._times: dict[str, _Times] = {}
        self._paths: dict[str, tuple[int, float]] = {}

    def plan(self, ids: Iterable[str], *, tokens: int | None = None, seconds: float | None = None) -> None:
        """Note that calls have been planned now.

        Args:
            ids: theirs.
            tokens: on the longest chain of work up to now; by default all that the run knows of.
            seconds: likewise.
        """
        run, now = self._run, self._run.now() - self._opened
        for id in ids:
            self._times[id] = _Times(
                now,
                run.critical_path_tokens if tokens is None else tokens,
                run.critical_path_seconds if seconds is None else seconds,
            )

    async def __call__(self, node: Node, arguments: Mapping[str, JSON]) -> ToolResult:
        """Make a call; an unknown tool is an error like any other, free of charge.

        Raises:
            BudgetExhausted: it does not fit the budget.
        """
        if node.id not in self._times:
            self.plan([node.id])
        times = self._times[node.id]
        paths = [self._paths[source] for source in node.sources if source in self._paths]
        times.began = self._run.now() - self._opened
        try:
            async with self._run.child(label=f"call {node.id}", numbered=False) as child:
                child.critical_path_tokens = max([times.tokens, *(tokens for tokens, _ in paths)])
                child.critical_path_seconds = max([times.path_seconds, *(seconds for _, seconds in paths)])
                result = await self._made(child, node, arguments)
            self._paths[node.id] = child.critical_path_tokens, child.critical_path_seconds
            return result
        finally:
            times.ended = self._run.now() - self._opened

    async def _made(self, run: Run, node: Node, arguments: Mapping[str, JSON]) -> ToolResult:
        if self._journal is None or node.tool not in self.box:
            return await self.box.call(run, node.tool, arguments)
        return await run.call(JournaledTool(self.box[node.tool], self._journal, node.id), **arguments)

    def note(self, graph: Graph, diagnostics: Sequence[Diagnostic] = (), **more: JSON) -> None:
        """Write into the trace what has become of every call, and when."""
        self._run.note(
            calls=[self._row(node, graph) for node in graph.nodes.values()],
            diagnostics=[str(found) for found in diagnostics],
            **more,
        )

    def _row(self, node: Node, graph: Graph) -> Mapping[str, JSON]:
        times = self._times.get(node.id)
        row: dict[str, JSON] = {
            "id": node.id,
            "tool": node.tool,
            "needs": list(node.sources),
            "state": graph.states[node.id],
        }
        if times is not None:
            for name in ("planned", "began", "ended"):
                at = cast("float | None", getattr(times, name))
                row[name] = None if at is None else round(at, 6)
        return row


def call_text(node: Node) -> str:
    """Return a call as a plan writes it, arguments by name."""
    arguments = ", ".join(f"{name}={_written(value)}" for name, value in node.arguments.items())
    return f"{node.tool}({arguments})"


def _written(value: JSON) -> str:
    """Return a literal; a bare reference as ``$1``."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        if len(value) == 1 and isinstance(id := value.get("$ref"), str):
            return f"${id}" if id.isdecimal() else f"${{{id}}}"
        pairs = (f"{json.dumps(name, ensure_ascii=False)}: {_written(item)}" for name, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, Sequence):
        return f"[{', '.join(_written(item) for item in value)}]"
    return str(value)


def steps_text(
    graph: Graph, ids: Iterable[str], diagnostics: Iterable[Diagnostic] = (), *, max_characters: int
) -> str:
    """Return calls with their observations, and what of the plan was refused, as a joiner is shown them.

    Args:
        graph: holds the calls.
        ids: of the calls, in their order; one that has not ended is shown without an observation.
        diagnostics: of the plan.
        max_characters: of one observation.
    """
    blocks = list[str]()
    for id in ids:
        node = graph.nodes[id]
        lines = [f"Thought: {node.thought}"] if node.thought else []
        lines.append(f"{id}. {call_text(node)}")
        if id in graph.results:
            lines.append(f"Observation: {graph.results[id].shown(max_characters)}")
        blocks.append("\n".join(lines))
    blocks += [f"Not part of the plan, {found}" for found in diagnostics if found.fault not in _HARMLESS]
    return "\n\n".join(blocks) or "No call was made."


_HARMLESS = ("plain_dollar", "missing_join", "after_join")


def tools_text(tools: Iterable[Tool]) -> str:
    """Return a list of tools for a prompt, one a line: name, parameters with types, description."""
    return "\n".join(f"- {_signature(tool)}: {tool.description}".rstrip(": ") for tool in tools) or "none"


def _signature(tool: Tool) -> str:
    properties = tool.parameters.get("properties")
    required = tool.parameters.get("required", ())
    parameters = list[str]()
    for name, schema in properties.items() if isinstance(properties, Mapping) else ():
        kind = schema.get("type") if isinstance(schema, Mapping) else None
        optional = "" if isinstance(required, Sequence) and name in required else "?"
        parameters.append(f"{name}{optional}: {kind}" if isinstance(kind, str) else f"{name}{optional}")
    return f"{tool.name}({', '.join(parameters)})"
