"""The mock domain of τ²-bench: an agent alone with a request, a policy, and tools that change a database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, NotRequired, cast

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from ttscale.errors import DataError
from ttscale.records import Record, read_records
from ttscale.types import JSON, Problem, Prompt
from ttscale.workers import Workers
from ttscale_evals.benchmarks.agents.files import AgentFile, final_answer, row_of, text_grade
from ttscale_evals.benchmarks.agents.tau2_world import MockWorld
from ttscale_evals.benchmarks.base import Attempt, Grade
from ttscale_evals.metrics.function_calls import FunctionCall

Basis = Literal["DB", "ENV_ASSERTION", "ACTION", "COMMUNICATE"]
"""What a reward is made of; assertions in plain language, NL_ASSERTION, would need a judge."""

_DEFAULT_BASIS: Final[Sequence[Basis]] = ("DB", "COMMUNICATE")
_Object = dict[str, object]


class _Action(TypedDict):
    name: str
    arguments: _Object
    compare_args: NotRequired[list[str] | None]


class _Function(TypedDict):
    func_name: str
    arguments: _Object
    assert_value: NotRequired[bool]


class _Criteria(TypedDict):
    actions: NotRequired[list[_Action] | None]
    env_assertions: NotRequired[list[_Function] | None]
    communicate_info: NotRequired[list[str] | None]
    reward_basis: NotRequired[list[Basis]]


class _Call(TypedDict):
    name: str
    arguments: _Object


class _Message(TypedDict):
    role: str
    content: NotRequired[str | None]
    tool_calls: NotRequired[list[_Call] | None]


class _Data(TypedDict):
    agent_data: NotRequired[dict[str, _Object] | None]
    user_data: NotRequired[dict[str, _Object] | None]


class _Beginning(TypedDict):
    initialization_data: NotRequired[_Data | None]
    initialization_actions: NotRequired[list[_Function] | None]
    message_history: NotRequired[list[_Message] | None]


class _Scenario(TypedDict):
    instructions: str


class _Task(TypedDict):
    id: str
    user_scenario: _Scenario
    ticket: NotRequired[str | None]
    initial_state: NotRequired[_Beginning | None]
    evaluation_criteria: _Criteria


_TASKS: Final = TypeAdapter(_Task)


@dataclass(frozen=True, kw_only=True)
class Tau2Mock(AgentFile):
    """Ten small tasks with a database, an agent, and no simulated user (arXiv 2506.07982; MIT).

    The folder is ``data/tau2/domains/mock`` of τ²-bench. The agent works alone, as in the benchmark's solo
    mode: it is given the policy, what was said before, and the ticket (a task without one: the user's
    instructions), and has the user's tools as well as its own. What it answers is all that it says.

    The reward is the product of what a task's `reward_basis` names, by default DB and COMMUNICATE, each 0 or 1,
    and an answer is right where it is 1:

    - DB: the database is as it is after the gold actions (hash of all tables); 1 where a task has neither
      actions nor assertions.
    - ENV_ASSERTION: every assertion holds.
    - ACTION: every gold action was called, with the arguments that it compares.
    - COMMUNICATE: everything that must be said is in the answer, upper and lower case alike, without commas.

    Assertions in plain language need a judge and are left out; a task that has nothing else would be right
    whatever is done, and is left out too unless `has_ungraded`.
    """

    instruction: str = (
        "Do what the request needs with the tools, as the policy allows. Then say in \\boxed{} what the user "
        "is to be told."
    )
    """Added to each request after a line break; empty for none."""
    has_ungraded: bool = False
    """Whether tasks are asked that are right whatever is done."""

    name = "tau2_mock"

    def records(self) -> Iterator[Record]:
        """Yield the tasks."""
        for record in read_records(self._folder / "tasks.json"):
            criteria = row_of(record, _TASKS)["evaluation_criteria"]
            looked_at = ("actions", "env_assertions", "communicate_info")
            if self.has_ungraded or any(criteria.get(name) for name in looked_at):
                yield record

    def make(self, record: Record, number: int) -> Problem:
        """Return the problem of a task."""
        del number
        task = row_of(record, _TASKS)
        request = task.get("ticket") or task["user_scenario"]["instructions"]
        beginning = task.get("initial_state") or {}
        said = _transcript(beginning.get("message_history") or [])
        parts = [f"Policy:\n{self._policy}", said and f"Said so far:\n{said}", f"Request:\n{request}"]
        problem = Problem(
            id=task["id"],
            prompt=Prompt.user(self.asked("\n\n".join(filter(None, parts)))),
            meta={
                "question": request,
                "task": cast("JSON", task),
                "agent_data": self._read("db.json"),
                "user_data": self._read("user_db.json"),
            },
        )
        try:
            _Started(problem).grade("")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(f"{record.place}: the task cannot be carried out: {error}.") from error
        return problem

    def attempt(self, problem: Problem) -> Attempt:
        """Begin one try, in a world of its own."""
        started = _Started(problem)

        async def grade(answer: str | None, workers: Workers) -> Grade:
            del workers
            return started.grade(answer)

        return Attempt(tools=started.world.tools(), grade=grade)

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Grade an answer of somebody who did nothing."""
        del workers
        return _Started(problem).grade(answer)

    @property
    def _folder(self) -> Path:
        return Path(self.path).expanduser()

    @cached_property
    def _policy(self) -> str:
        try:
            return (self._folder / "policy.md").read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"the policy {str(self._folder / 'policy.md')!r} cannot be read: {error}."
            ) from error

    def _read(self, name: str) -> Mapping[str, JSON]:
        place = self._folder / name
        try:
            document = cast("JSON", json.loads(place.read_text(encoding="utf-8")))
        except json.JSONDecodeError as error:
            raise DataError(f"line {error.lineno} of {str(place)!r} is not JSON: {error.msg}.") from error
        except (OSError, ValueError) as error:
            raise DataError(f"the data {str(place)!r} cannot be read: {error}.") from error
        if not isinstance(document, dict) or not all(isinstance(table, dict) for table in document.values()):
            raise DataError(f"{str(place)!r} must hold an object of tables.")
        return document


def _transcript(history: Sequence[_Message]) -> str:
    """Return what was said so far, calls of tools and their results included."""
    lines = list[str]()
    for message in history:
        calls = [f"{call['name']}({json.dumps(call['arguments'])})" for call in message.get("tool_calls") or []]
        text = "; ".join(filter(None, [message.get("content"), *calls]))
        lines.append(f"{message['role']}: {text}")
    return "\n".join(lines)


class _Started:
    """The world of one try, and the task that it is graded by."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._task = cast("_Task", problem.meta["task"])
        self.world = self._new_world()

    def _new_world(self) -> MockWorld:
        """Return the world at the beginning; what functions do at the beginning is done at once."""
        meta = cast("Mapping[str, Mapping[str, JSON]]", self._problem.meta)
        world = MockWorld(meta["agent_data"], meta["user_data"])
        beginning = self._task.get("initial_state") or {}
        data = beginning.get("initialization_data") or {}
        world.merge(
            cast("Mapping[str, JSON]", data.get("agent_data") or {}),
            cast("Mapping[str, JSON]", data.get("user_data") or {}),
        )
        for done in beginning.get("initialization_actions") or []:
            _do(world, done["func_name"], done["arguments"])
        for message in beginning.get("message_history") or []:
            for call in message.get("tool_calls") or []:
                _do(world, call["name"], call["arguments"])
        return world

    def grade(self, answer: str | None) -> Grade:
        criteria = self._task["evaluation_criteria"]
        basis = criteria.get("reward_basis", _DEFAULT_BASIS)
        parts = {name.lower(): float(self._holds(name, final_answer(answer))) for name in basis}
        reward = min(parts.values(), default=1.0)
        value = 0.0 if answer is None else reward  # who does not come to an end has failed
        return text_grade(answer, correct=reward == 1.0, value=value, measures=parts)

    def _holds(self, name: Basis, text: str) -> bool:
        criteria = self._task["evaluation_criteria"]
        actions, assertions = criteria.get("actions"), criteria.get("env_assertions")
        if name == "COMMUNICATE":
            said = text.lower().replace(",", "")
            return all(wanted.lower() in said for wanted in criteria.get("communicate_info") or [])
        if name == "ACTION":
            return all(any(_is_action(call, one) for call in self.world.calls) for one in actions or [])
        if name == "ENV_ASSERTION":
            return all(_asserted(self.world, one) for one in assertions or [])
        if actions is None and assertions is None:
            return True
        gold = self._new_world()
        for action in actions or []:
            _do(gold, action["name"], action["arguments"])
        return gold.digest == self.world.digest


def _do(world: MockWorld, name: str, arguments: Mapping[str, object]) -> object:
    return world.do(name, cast("Mapping[str, JSON]", arguments))


def _asserted(world: MockWorld, one: _Function) -> bool:
    try:
        found = _do(world, one["func_name"], one["arguments"])
    except ValueError:
        return False
    return found is one.get("assert_value", True)


def _is_action(call: FunctionCall, action: _Action) -> bool:
    """Whether a call is a gold action: the same name and compared arguments, by default those given."""
    compared = action.get("compare_args")
    names = call.arguments.keys() if compared is None else compared
    given = {name: value for name, value in call.arguments.items() if name in names}
    wanted = {name: value for name, value in action["arguments"].items() if name in names}
    return call.name == action["name"] and given == wanted
