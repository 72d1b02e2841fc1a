"""The mock domain of τ²-bench: a world of users, tasks and notifications, and the tools that act on it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Final, Literal, cast

from ttscale.tools import FunctionTool, Tool, ToolResult, WrappedTool
from ttscale.types import JSON
from ttscale_evals.metrics.function_calls import FunctionCall

Status = Literal["pending", "completed"]

Table = dict[str, dict[str, Any]]


class MockWorld:
    """What there is, and what is done to it. Its methods named in `TOOLS` are tools; failures, ValueErrors."""

    def __init__(self, agent_data: Mapping[str, JSON], user_data: Mapping[str, JSON]) -> None:
        """Begin with these tables, which are copied: tasks and users; notifications."""
        agent, user = deepcopy(dict(agent_data)), deepcopy(dict(user_data))
        self.tasks = cast("Table", agent.get("tasks", {}))
        self.users = cast("Table", agent.get("users", {}))
        self.notifications = cast("Table", user.get("notifications", {}))
        self.calls: list[FunctionCall] = []
        """Calls of tools, in order, those that failed included."""

    # ── the agent's tools ─────────────────────────────────────────────────────────────────────────────────

    def create_task(self, user_id: str, title: str, description: str | None = None) -> dict[str, Any]:
        """Create a new task for a user.

        Args:
            user_id: The user whose task it is.
            title: What the task is called.
            description: More about it, if there is more.
        """
        if user_id not in self.users:
            raise ValueError(f"there is no user {user_id!r}")
        task_id = f"task_{len(self.tasks) + 1}"
        task = {"task_id": task_id, "title": title, "description": description, "status": "pending"}
        self.tasks[task_id] = task
        self.users[user_id]["tasks"].append(task_id)
        return dict(task)

    def get_users(self) -> list[dict[str, Any]]:
        """List all users with the ids of their tasks."""
        return [dict(user) for user in self.users.values()]

    def update_task_status(self, task_id: str, status: Status) -> dict[str, Any]:
        """Change the status of a task.

        Args:
            task_id: The task.
            status: The new status, pending or completed.
        """
        task = self._task(task_id)
        task["status"] = status
        return dict(task)

    def transfer_to_human_agents(self, summary: str) -> str:
        """Hand the user over to a human agent.

        Args:
            summary: What the user needs, for the human agent.
        """
        del summary
        return "Transfer successful"

    # ── the user's tools ──────────────────────────────────────────────────────────────────────────────────

    def check_notifications(self) -> list[dict[str, Any]]:
        """List the user's notifications."""
        return [dict(notification) for notification in self.notifications.values()]

    def dismiss_notification(self, notification_id: str) -> str:
        """Mark one of the user's notifications as read.

        Args:
            notification_id: The notification.
        """
        self._notification(notification_id)["status"] = "read"
        return f"Notification {notification_id} dismissed"

    # ── what is no tool: beginnings and assertions ────────────────────────────────────────────────────────

    def add_notification(self, notification_id: str, message: str, task_id: str | None = None) -> None:
        """Put a notification, unread, into the user's inbox."""
        self.notifications[notification_id] = {
            "notification_id": notification_id,
            "message": message,
            "status": "unread",
            "task_id": task_id,
        }

    def assert_task_status(self, task_id: str, expected_status: str) -> bool:
        """Whether a task has a status."""
        return bool(self._task(task_id)["status"] == expected_status)

    def assert_number_of_tasks(self, user_id: str, expected_number: int) -> bool:
        """Whether a user has so many tasks."""
        if user_id not in self.users:
            raise ValueError(f"there is no user {user_id!r}")
        return len(self.users[user_id]["tasks"]) == expected_number

    def assert_notification_status(self, notification_id: str, expected_status: str) -> bool:
        """Whether a notification has a status."""
        return bool(self._notification(notification_id)["status"] == expected_status)

    # ── the whole ─────────────────────────────────────────────────────────────────────────────────────────

    @property
    def digest(self) -> str:
        """A hash of all tables: equal worlds have equal ones. What a row does not have counts as null."""
        tables = [self.tasks, self.users, self.notifications]
        plain = [
            {
                name: {key: value for key, value in row.items() if value is not None}
                for name, row in table.items()
            }
            for table in tables
        ]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()

    def tools(self) -> list[Tool]:
        """Return the tools that act on this world, the user's included: there is nobody but the agent."""
        functions = [_on_the_loop(getattr(self, name)) for name in TOOLS]
        return [NotedTool(tool=FunctionTool(function=one), calls=self.calls) for one in functions]

    def do(self, name: str, arguments: Mapping[str, JSON]) -> object:
        """Call one of the functions in `FUNCTIONS` by its name.

        Raises:
            ValueError: there is no such function, the arguments are not its own, or it fails.
        """
        if name not in FUNCTIONS:
            raise ValueError(f"there is no function {name!r}")
        function = cast("Callable[..., object]", getattr(self, name))
        try:
            return function(**arguments)
        except TypeError as error:
            raise ValueError(f"{name} was called with wrong arguments: {error}") from error

    def merge(self, agent_data: Mapping[str, JSON], user_data: Mapping[str, JSON]) -> None:
        """Put data into the tables: rows into rows, everything else in place of what was there."""
        for table, data in ((self.tasks, agent_data.get("tasks")), (self.users, agent_data.get("users"))):
            _merge(table, data)
        _merge(self.notifications, user_data.get("notifications"))

    def _task(self, task_id: str) -> dict[str, Any]:
        if task_id not in self.tasks:
            raise ValueError(f"there is no task {task_id!r}")
        return self.tasks[task_id]

    def _notification(self, notification_id: str) -> dict[str, Any]:
        if notification_id not in self.notifications:
            raise ValueError(f"there is no notification {notification_id!r}")
        return self.notifications[notification_id]


TOOLS: Final = (
    *("create_task", "get_users", "update_task_status", "transfer_to_human_agents"),
    *("check_notifications", "dismiss_notification"),
)
"""The tools, the agent's and then the user's."""

FUNCTIONS: Final = (
    *TOOLS,
    *("add_notification", "assert_task_status", "assert_number_of_tasks", "assert_notification_status"),
)
"""Everything that tasks may name."""


def _on_the_loop(function: Callable[..., object]) -> Callable[..., Awaitable[object]]:
    """Return a function that is called in the order of calls, where one in threads would not be."""

    @wraps(function)
    async def call(**arguments: object) -> object:
        return function(**arguments)

    return call


def _merge(table: Table, data: JSON) -> None:
    for name, row in cast("Mapping[str, Mapping[str, Any]]", data or {}).items():
        table.setdefault(name, {}).update(deepcopy(dict(row)))


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedTool(WrappedTool):
    """A tool whose calls are noted, whatever comes of them."""

    tool: Tool
    calls: list[FunctionCall] = field(compare=False)

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        """Note the call, then make it."""
        self.calls.append(FunctionCall(self.name, dict(arguments)))
        return await self.tool.call(arguments)
