from __future__ import annotations

import ast
import itertools
import random
import re
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.answers import extract_answer
from ttscale.grammars.format_error import FormatError
from ttscale.grammars.operations import Operation, apply_operator, parse_operation, write_expression
from ttscale.grammars.spawn import (
    END_CALL,
    END_RESULTS,
    PHRASES,
    RESULTS,
    Node,
    parse_nodes,
    parse_spawn,
    parse_state,
    read_child_result,
    render_join,
)
from ttscale.reference.conversation import Conversation
from ttscale.reference.problems import EVALUATION_CONFIGS, make_dataset, problem_key
from ttscale.reference.roles.completion import opened, opening
from ttscale.reference.roles.countdown import promising_operations
from ttscale.reference.roles.questions import asked, training_questions
from ttscale.reference.roles.threads import (
    CONFIGS,
    SearchOracle,
    child_prompt,
    conclude,
    conversations,
    explore,
    root_prompt,
    search,
    solve_by_threads,
)
from ttscale.types import Prompt

SPAWN = """Moving to Node #0
Current State: 27:[22, 26, 31, 53], Operations: []
Exploring Operation: 31+22=53, Resulting Numbers: [26, 53, 53]
Generated Node #0,0: 27:[26, 53, 53] Operation: 31+22=53
Exploring Operation: 53-31=22, Resulting Numbers: [22, 26, 22]
Generated Node #0,1: 27:[22, 26, 22] Operation: 53-31=22
<Calling Sub Searches>
<Start Sub Search 0 at level 1> Moving to Node #0,0
<Start Sub Search 1 at level 1> Moving to Node #0,1
<End Calling Sub Searches>"""

PATH = """Exploring Operation: 22/22=1, Resulting Numbers: [26, 1]
Exploring Operation: 26+1=27, Resulting Numbers: [27]
27,27 equal: Goal Reached"""

JOINED = """Moving to Node #0
Current State: 27:[22, 26, 31, 53], Operations: []
Exploring Operation: 31+22=53, Resulting Numbers: [26, 53, 53]
Generated Node #0,0: 27:[26, 53, 53] Operation: 31+22=53
Exploring Operation: 53-31=22, Resulting Numbers: [22, 26, 22]
Generated Node #0,1: 27:[22, 26, 22] Operation: 53-31=22
<Sub Searches>
<No Solution in Sub Search 0 at level 1 at Node #0,0>
<Goal Reached in Sub Search 1 at level 1 at Node #0,1>
Exploring Operation: 22/22=1, Resulting Numbers: [26, 1]
Exploring Operation: 26+1=27, Resulting Numbers: [27]
27,27 equal: Goal Reached
<End Sub Searches>"""

ENDING = "\n53-31=22\n22/22=1\n26+1=27\n\\boxed{26+(53-31)/22}"


class Script:
    """Gives the texts it holds, whatever it is asked, and remembers what it was asked."""

    def __init__(self, *replies: Sequence[str]) -> None:
        self.replies = list(replies)
        self.asked: list[list[Prompt]] = []

    def __call__(self, prompts: Sequence[Prompt], *, stop: str = "") -> Sequence[str]:
        self.asked.append(list(prompts))
        assert len(self.replies[0]) == len(prompts)
        return self.replies.pop(0)


@pytest.fixture(scope="module")
def taught() -> list[Conversation]:
    return list(itertools.islice(conversations(random.Random(1), training_questions(CONFIGS, 7)), 160))


def test_the_calls_of_a_text_are_read_with_the_states_they_start_from() -> None:
    first, second = parse_spawn(SPAWN)
    assert first == Node("0,0", 27, (26, 53, 53), (Operation("+", 31, 22, 53),))
    assert second == Node("0,1", 27, (22, 26, 22), (Operation("-", 53, 31, 22),))
    assert str(second) == "Moving to Node #0,1\nCurrent State: 27:[22, 26, 22], Operations: ['53-31=22']"
    assert parse_state(str(second)) == second


def test_results_take_the_place_of_the_calls() -> None:
    assert render_join(SPAWN, parse_spawn(SPAWN), [None, PATH]) == JOINED


def test_a_result_is_the_path_that_is_written_a_second_time() -> None:
    assert read_child_result(f"19,27 unequal: No Solution\n{PATH}\n{PATH}\n") == PATH
    assert read_child_result(PATH) is None
    assert read_child_result("19,27 unequal: No Solution\nNo Solution") is None
    assert read_child_result("") is None


def test_the_conclusion_follows_the_path_from_the_first_operation_to_the_box() -> None:
    assert conclude(JOINED) == ENDING
    assert conclude(JOINED.replace(f"1 at Node #0,1>\n{PATH}", "1 at Node #0,1>").replace("Goal", "No")) == (
        "\nNo Solution"
    )


def test_a_question_goes_through_calls_searches_and_join_to_an_answer() -> None:
    model = Script([SPAWN], ["No Solution", f"{PATH}\n{PATH}"], [ENDING])
    (trace,) = solve_by_threads(model, ["Make 27."])
    assert trace.fault is None
    assert trace.text == JOINED + ENDING
    assert trace.searches == ("No Solution", f"{PATH}\n{PATH}")
    nodes = parse_spawn(SPAWN)
    assert model.asked == [
        [root_prompt("Make 27.")],
        [child_prompt(node) for node in nodes],
        [opened(root_prompt("Make 27."), JOINED)],
    ]


def test_two_searches_of_one_node_keep_their_own_results() -> None:
    spawn = SPAWN.replace("Node #0,1\n<End", "Node #0,0\n<End")
    (trace,) = solve_by_threads(Script([spawn], ["No Solution", f"{PATH}\n{PATH}"], [ENDING]), ["Make 27."])
    assert "<No Solution in Sub Search 0 at level 1 at Node #0,0>\n<Goal Reached in Sub Search 1" in trace.text
    (trace,) = solve_by_threads(Script([spawn], [f"{PATH}\n{PATH}", "No Solution"], [ENDING]), ["Make 27."])
    assert trace.text.index("<Goal Reached in Sub Search 0") < trace.text.index("<No Solution in Sub Search 1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SPAWN.replace(END_CALL, ""), "does not end with calls"),
        (SPAWN + "\nNo Solution", "does not end with calls"),
        (SPAWN.replace("Search 1 at", "Search 2 at"), "does not start sub search 1"),
        (SPAWN.replace("Moving to Node #0,1", "Moving to Node #0,7"), "#0,7, which is not there"),
        (SPAWN.replace("Moving to Node #0,1", "__import__('os')"), "does not start sub search 1"),
        (SPAWN.replace("Generated Node #0,1", "Generated Node #3,1"), "a node that is not there"),
        (SPAWN.replace("Operation: 53-31=22\n<", "Operation: 53-31\n<"), "no operation"),
        (SPAWN.replace("[22, 26, 22] O", "[22, , 22] O"), "no list of whole numbers"),
        (SPAWN.replace("[22, 26, 22] O", f"[{'9' * 50}] O"), "no list of whole numbers"),
        (f"<Calling Sub Searches>\n{END_CALL}", "does not start sub search 0"),
    ],
)
def test_calls_that_break_the_protocol_are_refused_and_become_the_fault_of_the_trace(
    text: str, message: str
) -> None:
    with pytest.raises(FormatError, match=re.escape(message)):
        parse_spawn(text)
    if text.endswith(END_CALL):
        (trace,) = solve_by_threads(Script([text]), ["Make 27."])
        assert message in str(trace.fault)


def test_what_breaks_the_protocol_is_named_and_leaves_other_questions_alone() -> None:
    model = Script(
        [
            SPAWN,
            "27 it is",
            SPAWN,
            SPAWN.replace("<Calling", "<Sub Searches>")[: SPAWN.index(END_CALL)] + RESULTS,
        ],
        ["No Solution", "22,27 unequal: No Solution", "No Solution", f"{PATH}\n{PATH}"],
        [f"\n{SPAWN}", ENDING],
        ["No Solution"] * 2,
        [f"\n{SPAWN}"],
    )
    cut, silent, good, forged = solve_by_threads(model, ["a", "b", "c", "d"])
    assert cut.fault == "Sub search 1 ends without a result."
    assert silent.fault == "The root called no sub search."
    assert good.fault is None
    assert good.text == JOINED + ENDING
    assert forged.fault == "The root wrote results of sub searches itself."


def test_a_root_that_keeps_calling_is_stopped() -> None:
    model = Script([SPAWN], ["No Solution"] * 2, [SPAWN])
    (trace,) = solve_by_threads(model, ["a"], max_calls=1)
    assert trace.fault == "The root calls sub searches more than 1 times."
    assert solve_by_threads(Script([]), []) == []


@pytest.mark.slow
def test_with_the_oracle_as_model_most_held_out_questions_are_answered_right() -> None:
    dataset = make_dataset("countdown", EVALUATION_CONFIGS["countdown"], seed=0, size=80)
    entries = [dataset[index] for index in range(80)]
    questions = [asked("countdown", entry) for entry in entries]
    oracle = SearchOracle({question.text: question.countdown for question in questions})
    traces = solve_by_threads(oracle, [question.text for question in questions])
    assert [trace.fault for trace in traces] == [None] * 80
    answers = [extract_answer(trace.text) for trace in traces]
    right = [dataset.score_answer(answer, entry) == 1.0 for answer, entry in zip(answers, entries, strict=True)]
    assert sum(right) >= 0.85 * 80
    assert [answer is None for answer in answers] == [not is_right for is_right in right]


def test_every_line_that_is_taught_is_true(taught: list[Conversation]) -> None:
    checked = 0
    for conversation in taught:
        for found in re.finditer(r"([0-9]+)([-+*/])([0-9]+)=([0-9]+)", conversation.turns[-1].text):
            left, operator, right, result = found.groups()
            assert apply_operator(int(left), operator, int(right)) == int(result)
            checked += 1
        for value, target, verdict in re.findall(
            r"([0-9]+),([0-9]+) (equal|unequal)", conversation.turns[-1].text
        ):
            assert (value == target) == (verdict == "equal")
    assert checked > 500


def test_every_search_that_is_taught_uses_up_its_numbers_and_ends_as_it_says(
    taught: list[Conversation],
) -> None:
    searches = [c for c in taught if "Search from this state." in c.turns[0].text]
    assert len(searches) == 80
    outcomes = set[bool]()
    for conversation in searches:
        node, text = parse_state(conversation.turns[0].text), conversation.turns[-1].text
        numbers = node.numbers
        for operation, listed in re.findall(r"Operation: (\S+), Resulting Numbers: \[([0-9, ]+)\]", text):
            numbers = parse_operation(operation).apply(numbers)
            assert listed == ", ".join(map(str, numbers))
            numbers = numbers if len(numbers) > 1 else node.numbers
        path = read_child_result(text)
        outcomes.add(path is not None)
        assert text.endswith("Goal Reached" if path else "\nNo Solution")
        assert text.count("Exploring Operation: ") <= 12
    assert outcomes == {True, False}


def test_a_sub_search_is_given_its_own_state_only(taught: list[Conversation]) -> None:
    for conversation in taught:
        if "Search from this state." in conversation.turns[0].text:
            node = parse_state(conversation.turns[0].text)
            assert conversation.turns[0].text == f"{node}\n\nSearch from this state."
            assert len(node.operations) == 1
            assert len(conversation.turns) == 2


def test_results_of_sub_searches_are_given_and_never_learnt(taught: list[Conversation]) -> None:
    joined = [c for c in taught if len(c.turns) == 3]
    assert len(joined) == 40
    for conversation in joined:
        _, given_part, learnt = conversation.turns
        assert given_part.target is None
        assert given_part.text.endswith(END_RESULTS)
        assert learnt.continues
        assert learnt.target == learnt.text == conclude(opening(conversation.prompt))
    for conversation in taught:
        assert all(RESULTS not in (turn.target or "") for turn in conversation.turns)


def test_every_conclusion_that_is_taught_satisfies_the_checker(taught: list[Conversation]) -> None:
    dataset = make_dataset("countdown", CONFIGS["countdown"][0], seed=0, size=1)
    boxed = 0
    for conversation in taught:
        answer = extract_answer(conversation.turns[-1].text)
        if answer is not None:
            _, target, numbers = conversation.key.split(" ", 2)
            entry = {"metadata": {"numbers": ast.literal_eval(numbers), "target": int(target)}}
            assert dataset.score_answer(answer, entry) == 1.0
            boxed += 1
    assert boxed >= 30


def test_every_fixed_text_of_the_format_is_seen_in_training(taught: list[Conversation]) -> None:
    texts = "\n".join(turn.text for conversation in taught for turn in conversation.turns)
    assert [phrase for phrase in PHRASES if phrase not in texts] == []


def test_the_same_draws_give_the_same_conversations(taught: list[Conversation]) -> None:
    again = itertools.islice(conversations(random.Random(1), training_questions(CONFIGS, 7)), 40)
    assert list(again) == taught[:40]
    other = next(iter(conversations(random.Random(1), training_questions(CONFIGS, 8))))
    assert other.key != taught[0].key


def test_the_most_promising_operation_is_the_one_nearest_to_the_target_one_number_ahead() -> None:
    best = promising_operations((94, 4, 6, 61), 309, 4)
    assert len(best) == 4
    assert str(best[0]) == "94*4=376"  # 376-61 is 315; the others come no nearer than 6 to 309 either
    assert [str(o) for o in promising_operations((4, 2), 2, 9)] == ["4-2=2", "4+2=6", "4*2=8"]


def test_orders_of_one_sum_are_listed_once() -> None:
    assert len([o for o in promising_operations((2, 3, 100), 105, 9) if o.operator == "+"]) == 1


@pytest.mark.parametrize(
    ("numbers", "operations", "expression"),
    [
        ((3, 2, 2), ["3+2=5", "5*2=10"], "(3+2)*2"),
        ((9, 5, 3), ["5+3=8", "9-8=1"], "9-(5+3)"),
        ((9, 5, 3), ["9-5=4", "4+3=7"], "9-5+3"),
        ((80, 2, 4), ["8/4=2"], None),
        ((24, 2, 3), ["2*3=6", "24/6=4"], "24/(2*3)"),
        ((24, 2, 3), ["24/2=12", "12*3=36"], "24/2*3"),
        ((24, 2, 3), ["24/2=12"], None),
        ((1, 2), ["1+2=4"], None),
    ],
)
def test_an_expression_has_the_brackets_it_needs(
    numbers: tuple[int, ...], operations: list[str], expression: str | None
) -> None:
    steps = [parse_operation(operation) for operation in operations]
    if expression is None:
        with pytest.raises(FormatError):
            write_expression(numbers, steps)
    else:
        assert write_expression(numbers, steps) == expression


@given(st.lists(st.integers(1, 99), min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_an_expression_has_the_value_of_its_last_operation(numbers: list[int], rng: random.Random) -> None:
    left: tuple[int, ...] = tuple(numbers)
    steps = list[Operation]()
    while len(left) > 1:
        steps.append(rng.choice(promising_operations(left, 100, 50)))
        left = steps[-1].apply(left)
    expression = write_expression(numbers, steps)
    assert _value(ast.parse(expression, mode="eval").body) == steps[-1].result
    assert sorted(map(int, re.findall("[0-9]+", expression))) == sorted(numbers)


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant):
        assert isinstance(node.value, int)
        return Fraction(node.value)
    assert isinstance(node, ast.BinOp)
    left, right = _value(node.left), _value(node.right)
    match node.op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case _:
            return left / right


def test_a_search_goes_no_further_than_its_limits() -> None:
    text = search(Node("0,0", 997, (3, 5, 7), (parse_operation("2+1=3"),)))
    assert text.count("unequal: No Solution") == 5
    text = search(Node("0,0", 997, (8, 4), (parse_operation("2+1=3"),)))
    assert text.count("unequal: No Solution") == 4
    assert explore(Node("0", 997, (3, 5, 7))).count("Generated Node") == 3


def test_a_state_that_is_not_there_is_refused() -> None:
    with pytest.raises(FormatError, match="moves to no node"):
        parse_state("Make 27 of 22, 26, 31 and 53.")
    with pytest.raises(FormatError, match="has no <Sub Searches>"):
        conclude(SPAWN)
    with pytest.raises(FormatError, match="#0,9, which is not there"):
        conclude(JOINED.replace("1 at Node #0,1>", "1 at Node #0,9>"))
    assert parse_nodes("") == {}


def test_a_training_question_carries_its_key_and_numbers() -> None:
    question = next(training_questions(CONFIGS, 7))
    target, numbers = question.countdown
    assert problem_key("countdown", {"metadata": question.metadata}) == question.key
    assert all(str(number) in question.text for number in (*numbers, target))
