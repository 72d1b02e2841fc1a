r"""Countdown in the spawn and join protocol of APR (Learning Adaptive Parallel Reasoning, arXiv 2504.15466).

The root writes down a few first operations, each a node of the search, and calls one sub search per node. A sub
search is a conversation of its own that holds nothing but its node's state; it goes through a handful of
operations, the most promising ones first, and ends with the path to the target or with `No Solution`. In the
root's text the calls are then replaced by the results, and the root goes on from there to the boxed answer.

Which operations promise most is said in `ttscale.reference.roles.countdown`. In a sub search of three numbers
every first operation is followed at once by the best second one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ttscale.grammars.format_error import FormatError
from ttscale.grammars.operations import Operation
from ttscale.grammars.spawn import (
    CALL,
    END_CALL,
    GOAL_REACHED,
    NO_SOLUTION,
    RESULTS,
    Node,
    explored_operations,
    parse_nodes,
    parse_spawn,
    parse_state,
    read_child_result,
    render_conclusion,
    render_join,
)
from ttscale.reference.conversation import Conversation, exchange
from ttscale.reference.roles.completion import Complete, opened, opening
from ttscale.reference.roles.countdown import promising_operations
from ttscale.registry import load_template

if TYPE_CHECKING:
    from ttscale.reference.problems import Parameters
    from ttscale.reference.roles.questions import Question
    from ttscale.types import Prompt

CONFIGS: Final[Mapping[str, tuple[Parameters, ...]]] = {"countdown": ({"min_numbers": 3, "max_numbers": 4},)}
"""The reasoning-gym parameters of the questions the role is taught on."""

MAX_BRANCHES: Final = 4
"""The most first operations the root explores, one sub search each; on three numbers it is three."""

MAX_PAIRS: Final = 5
"""The most operations a sub search of three numbers tries, each followed by one more on the last two."""

_REACHED = re.compile(
    r"^<Goal Reached in Sub Search [0-9]{1,4} at level 1 at Node #([0-9,]{1,40})>$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class ThreadsTrace:
    """What became of one question.

    Attributes:
        text: The root's text with the results of the sub searches in it, to its end.
        searches: The texts of the sub searches, in the order of the calls.
        fault: What broke the protocol first, or None if nothing did.
    """

    text: str
    searches: tuple[str, ...] = ()
    fault: str | None = None


def root_prompt(question: str) -> Prompt:
    """Return what the root is given."""
    return load_template("threads").render(question=question)


def child_prompt(node: Node) -> Prompt:
    """Return what a sub search is given: its node's state and nothing else."""
    return load_template("thread").render(state=str(node))


def explore(start: Node) -> str:
    """Write the root's text up to the calls of sub searches, for a node of three or four numbers."""
    lines, calls = [str(start)], [CALL]
    branches = min(MAX_BRANCHES, len(start.numbers))
    for number, operation in enumerate(promising_operations(start.numbers, start.target, branches)):
        node = start.child(number, operation)
        numbers = list(node.numbers)
        lines.append(_explored(operation, node.numbers))
        lines.append(f"Generated Node #{node.path}: {node.target}:{numbers} Operation: {operation}")
        calls.append(f"<Start Sub Search {number} at level 1> Moving to Node #{node.path}")
    return "\n".join((*lines, *calls, END_CALL))


def search(node: Node) -> str:
    """Write the text of the sub search of a node that has two or three numbers."""
    limit = MAX_PAIRS if len(node.numbers) > 2 else MAX_PAIRS - 1
    lines = list[str]()
    for operation in promising_operations(node.numbers, node.target, limit):
        numbers, way = operation.apply(node.numbers), [operation]
        if len(numbers) == 2:
            (last,) = promising_operations(numbers, node.target, 1)
            way.append(last)
        path = _explored_way(node.numbers, way)
        value = way[-1].result
        if value == node.target:
            end = f"{value},{node.target} equal: {GOAL_REACHED}"
            return "\n".join((*lines, *path, end, *path, end))
        lines += [*path, f"{value},{node.target} unequal: {NO_SOLUTION}"]
    return "\n".join((*lines, NO_SOLUTION))


def _explored(operation: Operation, numbers: Sequence[int]) -> str:
    return f"Exploring Operation: {operation}, Resulting Numbers: {list(numbers)}"


def _explored_way(numbers: Sequence[int], way: Sequence[Operation]) -> list[str]:
    lines = list[str]()
    for operation in way:
        numbers = operation.apply(numbers)
        lines.append(_explored(operation, numbers))
    return lines


def conclude(text: str) -> str:
    r"""Write what the root adds to its text after the join: the steps of the first path found, then the box.

    Raises:
        FormatError: the text has no results, or a path that does not fit its node.
    """
    before, mark, results = text.rpartition(f"{RESULTS}\n")
    if not mark:
        raise FormatError(f"The text has no {RESULTS}.")
    reached = _REACHED.search(results)
    if reached is None:
        return f"\n{NO_SOLUTION}"
    node = parse_nodes(before).get(reached[1])
    if node is None:
        raise FormatError(f"The results are about node #{reached[1]}, which is not there.")
    path = results[reached.end() :].partition(GOAL_REACHED)[0]
    return render_conclusion(parse_state(before).numbers, (*node.operations, *explored_operations(path)))


def conversations(rng: random.Random, questions: Iterable[Question]) -> Iterator[Conversation]:
    """Yield, for every countdown, the root's calls, its conclusion, and two of its sub searches.

    Args:
        rng: Chooses the sub searches.
        questions: Countdowns of three or four numbers.
    """
    for question in questions:
        target, numbers = question.countdown
        prompt, text = root_prompt(question.text), explore(Node("0", target, numbers))
        yield exchange(prompt, text, question.key)
        nodes = parse_spawn(text)
        searches = [search(node) for node in nodes]
        joined = render_join(text, nodes, [read_child_result(found) for found in searches])
        yield exchange(opened(prompt, joined), conclude(joined), question.key)
        for index in sorted(rng.sample(range(len(nodes)), min(2, len(nodes)))):
            yield exchange(child_prompt(nodes[index]), searches[index], question.key)


class SearchOracle:
    """Plays the model by the rules of `explore`, `search` and `conclude`: the best the model can learn.

    Args:
        starts: Target and numbers of the questions it will be asked, by question.
    """

    def __init__(self, starts: Mapping[str, tuple[int, tuple[int, ...]]]) -> None:
        self._starts = {root_prompt(question): Node("0", *start) for question, start in starts.items()}

    def __call__(self, prompts: Sequence[Prompt], *, stop: str = "") -> list[str]:
        """Write roots, sub searches and conclusions, none of which holds a stop string."""
        del stop
        return [self._write(prompt) for prompt in prompts]

    def _write(self, prompt: Prompt) -> str:
        if opening(prompt):
            return conclude(opening(prompt))
        if prompt in self._starts:
            return explore(self._starts[prompt])
        return search(parse_state(prompt.messages[0].content))


def solve_by_threads(complete: Complete, questions: Sequence[str], *, max_calls: int = 2) -> list[ThreadsTrace]:
    """Answer questions by roots and sub searches; those of all questions are completed together.

    Args:
        complete: The model.
        questions: The questions.
        max_calls: How often a root may call sub searches, at least 1; what it calls after that is not started.

    Returns:
        A trace a question, in their order.
    """
    traces = [ThreadsTrace("") for _ in questions]
    running = list(range(len(questions)))
    for calls_left in range(max_calls, -1, -1):
        prompts = [opened(root_prompt(questions[index]), traces[index].text) for index in running]
        written = complete(prompts, stop=RESULTS) if prompts else ()
        for index, text in zip(running, written, strict=True):
            traces[index] = _extend(traces[index], text)
        running = [index for index in running if traces[index].text.endswith(END_CALL)]
        if not calls_left:
            for index in running:
                traces[index] = _blame(
                    traces[index], f"The root calls sub searches more than {max_calls} times."
                )
        running = _run_searches(complete, traces, running) if calls_left else []
    return [trace if trace.searches else _blame(trace, "The root called no sub search.") for trace in traces]


def _extend(trace: ThreadsTrace, text: str) -> ThreadsTrace:
    trace = replace(trace, text=(trace.text + text).rstrip())
    if text.endswith(RESULTS):
        return _blame(trace, "The root wrote results of sub searches itself.")
    return trace


def _blame(trace: ThreadsTrace, fault: str) -> ThreadsTrace:
    return replace(trace, fault=trace.fault or fault)


def _run_searches(complete: Complete, traces: list[ThreadsTrace], calling: Sequence[int]) -> list[int]:
    """Run the sub searches that some of the traces call, join the results, and return which traces go on."""
    called = dict[int, list[Node]]()
    for index in calling:
        try:
            called[index] = parse_spawn(traces[index].text)
        except FormatError as error:
            traces[index] = _blame(traces[index], str(error))
    prompts = [child_prompt(node) for nodes in called.values() for node in nodes]
    written = iter(complete(prompts) if prompts else ())
    for index, nodes in called.items():
        searches = [next(written).rstrip() for _ in nodes]
        results = [read_child_result(search) for search in searches]
        text = render_join(traces[index].text, nodes, results)
        traces[index] = replace(traces[index], text=text, searches=(*traces[index].searches, *searches))
        for number, (found, result) in enumerate(zip(searches, results, strict=True)):
            if result is None and found.rpartition("\n")[2] != NO_SOLUTION:
                traces[index] = _blame(traces[index], f"Sub search {number} ends without a result.")
    return list(called)
