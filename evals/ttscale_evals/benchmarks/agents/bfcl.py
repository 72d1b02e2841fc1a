"""The parallel part of the Berkeley Function Calling Leaderboard."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, cast

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from ttscale.errors import DataError
from ttscale.records import Record, read_records
from ttscale.tools import ToolResult
from ttscale.types import JSON, Problem, Prompt
from ttscale.workers import Workers
from ttscale_evals.benchmarks.agents.call_text import read_calls
from ttscale_evals.benchmarks.agents.files import AgentFile, row_of, text_grade
from ttscale_evals.benchmarks.base import Attempt, Grade
from ttscale_evals.metrics.function_calls import FunctionCall, Matching, Schema, calls_match

_JSON_TYPES: Final[Mapping[str, JSON]] = {
    "dict": {"type": "object"},
    "float": {"type": "number"},
    "tuple": {"type": "array"},
    "any": {},
}
"""What the leaderboard calls some types, in words of JSON Schema; the others have their own names there."""

_INSTRUCTION: Final = (
    "Call the functions that this needs, all of them at once. Write only the calls: "
    "[name(argument=value, ...), name(argument=value, ...)]"
)


class _Message(TypedDict):
    role: str
    content: str


class _Row(TypedDict):
    id: str
    question: list[list[_Message]]
    function: list[dict[str, object]]


class _Answer(TypedDict):
    id: str
    ground_truth: list[dict[str, dict[str, list[object]]]]


_ROWS: Final = TypeAdapter(_Row)
_ANSWERS: Final = TypeAdapter(_Answer)


@dataclass(frozen=True, kw_only=True)
class BfclParallel(AgentFile):
    """200 requests, each of which needs one function called several times at once (BFCL v4; Apache-2.0).

    The files are ``BFCL_v4_parallel.json`` and its possible answers, JSON lines. The functions are tools which
    take note of their calls and do nothing. Graded are the calls that were made; where none was, those that the
    answer is written as. Right is: as many calls as wanted, each fitting another one, see
    `ttscale_evals.metrics.function_calls`.
    """

    answers_path: str
    """The file of possible answers."""
    instruction: str = _INSTRUCTION
    """Added to each request after a line break; empty for none."""
    matching: Matching = "maximum"
    """How calls are assigned to wanted ones; ``greedy`` as the leaderboard does it."""
    shows_functions: bool = True
    """Whether the prompt describes the functions, for strategies that call no tools."""

    name = "bfcl_parallel"

    def records(self) -> Iterator[Record]:
        """Yield the rows."""
        return _lines(self.path)

    def make(self, record: Record, number: int) -> Problem:
        """Return the problem of a row."""
        del number
        row = row_of(record, _ROWS)
        if row["id"] not in self._wanted:
            raise DataError(f"{record.place}: {self.answers_path!r} has no answer of the id {row['id']!r}.")
        if not (row["question"] and row["question"][0]):
            raise DataError(f"{record.place}: there is no request; mend the row or leave it out.")
        request = row["question"][0][-1]["content"]
        functions = json.dumps(row["function"], ensure_ascii=False)
        shown = f"{request}\n\nFunctions:\n{functions}\n" if self.shows_functions else request
        meta = {"question": request, "functions": row["function"], "wanted": self._wanted[row["id"]]}
        _check(meta, record)
        return Problem(
            id=row["id"],
            prompt=Prompt.user(self.asked(shown)),
            target=json.dumps(self._wanted[row["id"]], ensure_ascii=False),
            meta=cast("Mapping[str, JSON]", meta),
        )

    def attempt(self, problem: Problem) -> Attempt:
        """Begin one try, with the functions as tools."""
        made = list[FunctionCall]()
        tools = [NotingTool(schema=one, made=made) for one in _functions(problem)]

        async def grade(answer: str | None, workers: Workers) -> Grade:
            if not made:
                return await self.grade(problem, answer, workers)
            is_right = self._is_right(problem, made)
            return Grade(correct=is_right, value=float(is_right))

        return Attempt(tools=tools, grade=grade)

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Grade the calls that an answer is written as."""
        del workers
        calls = None if answer is None else read_calls(answer)
        is_right = calls is not None and self._is_right(problem, calls)
        return text_grade(answer, correct=is_right, value=float(is_right))

    def _is_right(self, problem: Problem, calls: Sequence[FunctionCall]) -> bool:
        wanted = cast("Sequence[Mapping[str, Mapping[str, Sequence[JSON]]]]", problem.meta["wanted"])
        return calls_match(calls, wanted, _functions(problem), matching=self.matching)

    @cached_property
    def _wanted(self) -> Mapping[str, object]:
        rows = (row_of(record, _ANSWERS) for record in _lines(self.answers_path))
        return {row["id"]: row["ground_truth"] for row in rows}


def _lines(path: str) -> Iterator[Record]:
    """Read JSON lines, whatever the file is called: the leaderboard's are called .json."""
    return read_records(Path(path).expanduser(), kind=".jsonl")


def _functions(problem: Problem) -> Sequence[Schema]:
    return cast("Sequence[Schema]", problem.meta["functions"])


def _check(meta: Mapping[str, object], record: Record) -> None:
    """Find out whether functions and wanted calls can be compared.

    Raises:
        DataError: they cannot.
    """
    functions = cast("Sequence[Schema]", meta["functions"])
    wanted = cast("Sequence[Mapping[str, Mapping[str, Sequence[JSON]]]]", meta["wanted"])
    try:
        calls_match([FunctionCall("", {})] * len(wanted), wanted, functions)
        for one in functions:
            described(one)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{record.place}: functions and answers do not fit together: {error}.") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class NotingTool:
    """A function that takes note of its calls and does nothing."""

    schema: Schema
    """As the leaderboard describes it."""
    made: list[FunctionCall] = field(compare=False)
    """Where calls are noted, in the order in which they are made."""

    @property
    def name(self) -> str:
        """Its name with underscores in place of dots, which many planners and servers do not take."""
        return str(self.schema["name"]).replace(".", "_")

    @property
    def description(self) -> str:
        """What it is said to do."""
        return str(self.schema.get("description", ""))

    @property
    def parameters(self) -> Mapping[str, JSON]:
        """JSON Schema of its arguments."""
        return described(self.schema)

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        """Take note of the call; one that lacks a required argument or has an unknown one is refused."""
        known = cast("Mapping[str, JSON]", self.parameters["properties"])
        required = cast("Sequence[str]", self.parameters.get("required", ()))
        for name in required:
            if name not in arguments:
                return ToolResult(error=f"{self.name} needs the argument {name!r}")
        for name in arguments:
            if name not in known:
                return ToolResult(error=f"{self.name} has no argument {name!r}; it has: {', '.join(known)}")
        self.made.append(FunctionCall(self.name, dict(arguments)))
        return ToolResult(value={"status": "done"})


def described(schema: Schema) -> dict[str, JSON]:
    """Return the JSON Schema of a function's arguments."""
    return cast("dict[str, JSON]", _renamed(schema["parameters"]))


def _renamed(schema: JSON) -> JSON:
    """Put a schema into the words of JSON Schema, wherever in it."""
    if not isinstance(schema, Mapping):
        return schema
    found: dict[str, JSON] = {}
    for key, value in schema.items():
        if key == "type" and isinstance(value, str):
            found.update(cast("Mapping[str, JSON]", _JSON_TYPES.get(value, {"type": value})))
        elif key == "properties" and isinstance(value, Mapping):
            found[key] = {name: _renamed(inner) for name, inner in value.items()}
        elif key == "items":
            found[key] = _renamed(value)
        elif key != "optional":
            found[key] = value
    return found
