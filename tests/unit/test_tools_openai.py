"""OpenAI's form of tools: declarations out, calls in, streamed or not, and answers."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttscale.errors import ToolError
from ttscale.tools import FunctionTool, Toolbox, ToolResult
from ttscale.tools.arithmetic import add, multiply
from ttscale.tools.declared import DeclaredTool
from ttscale.tools.openai import CallAssembler, answer, declare, read_calls
from ttscale.types import JSON

BOX = Toolbox([FunctionTool(function=add), FunctionTool(function=multiply)])


def call(id: str, name: str, arguments: JSON) -> JSON:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_tools_are_declared_with_their_schema() -> None:
    declared = declare(BOX)
    assert len(declared) == 2
    assert declared[0] == {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Add two whole numbers.",
            "parameters": BOX["add"].parameters,
        },
    }
    json.dumps(declared)


def test_a_name_that_the_api_does_not_take_is_refused() -> None:
    with pytest.raises(ToolError, match="'files/read'"):
        declare([FunctionTool(function=add, name="files/read")])


def test_calls_are_read_in_order_and_answered_by_id() -> None:
    first, second = read_calls([call("a", "add", '{"left": 1, "right": 2}'), call("b", "multiply", {})], BOX)
    assert (first.id, first.name, first.arguments, first.error) == ("a", "add", {"left": 1, "right": 2}, None)
    assert second.arguments == {}
    assert answer(first, ToolResult(value=3)) == {"role": "tool", "tool_call_id": "a", "content": "3"}


@pytest.mark.parametrize(
    ("item", "error"),
    [
        (call("a", "add", '{"left": 1'), "not JSON"),
        (call("a", "add", '{"left": NaN}'), "not JSON"),
        (call("a", "add", "[" * 100_000), "not JSON"),
        (call("a", "add", "[1, 2]"), "must be a JSON object"),
        (call("a", "add", 5), "must be a JSON object"),
        (call("a", "subtract", "{}"), "no tool is called 'subtract'; there are: add, multiply"),
        (call("a", "ad", "{}"), "did you mean 'add'?"),
        ({"id": "a", "type": "custom"}, "type 'custom'"),
        ({"id": "a", "type": "function"}, "cannot be made"),
        ("nonsense", "no tool call"),
        (None, "no tool call"),
    ],
)
def test_what_is_wrong_with_a_call_is_said_and_the_others_are_read(item: JSON, error: str) -> None:
    broken, fine = read_calls([item, call("b", "add", "")], BOX)
    assert error in (broken.error or "")
    assert len(broken.error or "") < 600
    assert (fine.id, fine.error) == ("b", None)


def test_an_id_that_was_taken_is_an_error_and_a_missing_one_is_made_up() -> None:
    calls = read_calls([call("a", "add", "{}"), call("a", "add", "{}"), call("", "add", "{}")], BOX)
    assert [found.id for found in calls] == ["a", "a", "call_2"]
    assert [found.error is None for found in calls] == [True, False, True]


@pytest.mark.parametrize("nothing", [None, [], "text", 5, {}])
def test_where_there_are_no_calls_none_are_read(nothing: JSON) -> None:
    assert read_calls(nothing, BOX) == []


@settings(max_examples=15)
@given(st.data())
def test_however_a_stream_is_cut_the_calls_are_those_of_one_answer(data: st.DataObject) -> None:
    texts = [json.dumps({"left": i, "text": "é\n$2"}) for i in range(3)]
    whole = [call(f"id{i}", "add", text) for i, text in enumerate(texts)]
    pieces = list[list[JSON]]()
    for index, text in enumerate(texts):
        cuts = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=4))})
        head: JSON = {
            "index": index,
            "id": f"id{index}",
            "type": "function",
            "function": {"name": "add", "arguments": ""},
        }
        deltas: list[JSON] = [{"index": index, "function": {"arguments": text[a:b]}} for a, b in pairwise(cuts)]
        pieces.append([head, *deltas])
    assembler = CallAssembler()
    while any(pieces):
        which = data.draw(st.sampled_from([i for i, left in enumerate(pieces) if left]))
        assembler.add([pieces[which].pop(0)])
    assert assembler.finish() == whole


def test_servers_without_an_index_and_with_repeated_names_are_understood() -> None:
    assembler = CallAssembler()
    assembler.add([{"id": "a", "function": {"name": "add", "arguments": '{"le'}}])
    assembler.add([{"id": "a", "function": {"name": "add", "arguments": 'ft": 1}'}}])
    assembler.add([{"id": "b", "function": {"name": "multiply", "arguments": "{}"}}, "noise"])
    assembler.add(None)
    first, second = read_calls(assembler.finish(), BOX)
    assert (first.id, first.arguments) == ("a", {"left": 1})
    assert (second.id, second.name) == ("b", "multiply")


async def test_a_declaration_from_elsewhere_becomes_a_tool() -> None:
    async def twice(arguments: object) -> JSON:
        assert isinstance(arguments, dict)
        return 2 * int(arguments["number"])

    schema: JSON = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
    function: JSON = {"name": "twice", "description": "Double.", "parameters": schema}
    tool = DeclaredTool.from_openai({"type": "function", "function": function}, twice)
    assert declare([tool]) == [{"type": "function", "function": function}]
    assert (await tool.call({"number": 4})).value == 8
    wrong = await tool.call({"number": "x"})
    assert wrong.error == "twice was called with wrong arguments: number: 'x' is not of type 'integer'"


@pytest.mark.parametrize("wrong", [None, {}, {"function": {}}, {"function": {"name": "x", "parameters": [1]}}])
def test_what_declares_no_function_is_refused(wrong: JSON) -> None:
    with pytest.raises(ToolError):
        DeclaredTool.from_openai(wrong, lambda arguments: None)


async def test_a_schema_that_points_elsewhere_or_is_broken_does_not_judge() -> None:
    for schema in ({"$ref": "http://127.0.0.1:9/schema.json"}, {"type": "nonsense"}):
        tool = DeclaredTool(name="any", description="", parameters=schema, answer=lambda arguments: "fine")
        assert (await tool.call({"a": 1})).value == "fine"
