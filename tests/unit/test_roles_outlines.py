from __future__ import annotations

import itertools
import random
import re
from collections.abc import Sequence

import pytest

from ttscale.answers import extract_answer
from ttscale.grammars.format_error import FormatError
from ttscale.reference.conversation import Conversation, Turn, user
from ttscale.reference.problems import make_dataset
from ttscale.reference.roles.chains import add_up, parse_chain
from ttscale.reference.roles.completion import opened
from ttscale.reference.roles.outlines import (
    CONFIGS,
    END_OUTLINES,
    END_THREAD,
    PHRASES,
    ChainOracle,
    Outline,
    check_format,
    conversations,
    first_prompt,
    open_thread,
    parse_outlines,
    render_threads,
    solve_by_outlines,
    write_conclusion,
    write_outlines,
    write_thread,
)
from ttscale.reference.roles.questions import asked, training_questions
from ttscale.types import Prompt

OUTLINED = """<Parallel>
<Outlines>
<Outline>1: 12 - 30 + 41</Outline>
<Outline>2: - 25 + 17 + 60</Outline>
</Outlines>"""

FIRST = "\n12-30=-18\n-18+41=23\n</Thread>"
SECOND = "\n-25+17=-8\n-8+60=52\n</Thread>"

JOINED = """<Parallel>
<Outlines>
<Outline>1: 12 - 30 + 41</Outline>
<Outline>2: - 25 + 17 + 60</Outline>
</Outlines>
<Thread>
1:
12-30=-18
-18+41=23
</Thread><Thread>
2:
-25+17=-8
-8+60=52
</Thread>"""

CONCLUSION = """
<Conclusion>
23+52=75
</Conclusion>
</Parallel>
\\boxed{75}"""


class Script:
    """Gives the texts it holds, whatever it is asked, and remembers what it was asked."""

    def __init__(self, *replies: Sequence[str]) -> None:
        self.replies = list(replies)
        self.asked: list[tuple[str, list[Prompt]]] = []

    def __call__(self, prompts: Sequence[Prompt], *, stop: str = "") -> Sequence[str]:
        self.asked.append((stop, list(prompts)))
        assert len(self.replies[0]) == len(prompts)
        return self.replies.pop(0)


@pytest.fixture(scope="module")
def taught() -> list[Conversation]:
    return list(itertools.islice(conversations(random.Random(1), training_questions(CONFIGS, 7)), 120))


def test_a_sum_is_outlined_computed_and_concluded_in_the_grammar() -> None:
    text = write_outlines("12 - 30 + 41 - 25 + 17 + 60")
    assert text == OUTLINED
    outlines = parse_outlines(text)
    assert outlines == [Outline(1, "12 - 30 + 41"), Outline(2, "- 25 + 17 + 60")]
    threads = [write_thread(outline.text) for outline in outlines]
    assert threads == [FIRST, SECOND]
    assert render_threads(text, outlines, threads) == JOINED
    assert write_conclusion(JOINED) == CONCLUSION
    check_format(JOINED + CONCLUSION)


@pytest.mark.parametrize(
    ("num_terms", "sizes"), [(4, [2, 2]), (5, [3, 2]), (6, [3, 3]), (7, [3, 2, 2]), (8, [3, 3, 2])]
)
def test_an_outline_has_two_or_three_terms(num_terms: int, sizes: list[int]) -> None:
    outlines = parse_outlines(write_outlines(" + ".join(["7"] * num_terms)))
    assert [len(parse_chain(outline.text)) for outline in outlines] == sizes


def test_every_thread_continues_the_text_before_all_of_them() -> None:
    model = Script([OUTLINED], [FIRST, SECOND], [CONCLUSION])
    (trace,) = solve_by_outlines(model, ["Sum?"])
    assert trace.fault is None
    assert trace.text == JOINED + CONCLUSION
    assert trace.threads == (FIRST, SECOND)
    prompt = first_prompt("Sum?")
    assert model.asked == [
        (END_OUTLINES, [prompt]),
        (
            END_THREAD,
            [opened(prompt, f"{OUTLINED}\n<Thread>\n1:"), opened(prompt, f"{OUTLINED}\n<Thread>\n2:")],
        ),
        (END_OUTLINES, [opened(prompt, JOINED)]),
    ]


def test_a_thread_that_does_not_end_is_closed_and_its_text_goes_no_further() -> None:
    model = Script([OUTLINED, OUTLINED], [FIRST, "\n-25+17=-8", FIRST, SECOND], [CONCLUSION])
    cut, whole = solve_by_outlines(model, ["a", "b"])
    assert cut.text == f"{OUTLINED}\n<Thread>\n1:{FIRST}<Thread>\n2:\n-25+17=-8{END_THREAD}"
    assert cut.fault is not None
    assert whole.fault is None


def test_text_without_outlines_is_plain_text() -> None:
    (trace,) = solve_by_outlines(Script(["\\boxed{75}"]), ["a"])
    assert trace.threads == ()
    assert trace.text == "\\boxed{75}"
    assert trace.fault is not None
    assert parse_outlines(f"<Outlines>\n{END_OUTLINES}") == []
    assert solve_by_outlines(Script(), []) == []


def test_of_outlines_with_one_number_the_first_counts() -> None:
    text = OUTLINED.replace("2: - 25 + 17 + 60", "1: 5 + 6")
    assert parse_outlines(text) == [Outline(1, "12 - 30 + 41")]


def test_a_second_block_runs_its_own_outlines_and_a_third_is_left_alone() -> None:
    again = f"{CONCLUSION}\n{OUTLINED}"
    model = Script([OUTLINED], [FIRST, SECOND], [again], [SECOND, FIRST], [again])
    (trace,) = solve_by_outlines(model, ["a"], max_blocks=2)
    assert trace.threads == (FIRST, SECOND, SECOND, FIRST)
    assert len(model.asked) == 5
    assert trace.fault is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (JOINED.replace("<Outline>2:", "<Outline>3:") + CONCLUSION, "numbered [1, 3]"),
        (JOINED.replace("<Thread>\n2:", "<Thread>\n1:") + CONCLUSION, "the threads [1, 1]"),
        (JOINED.replace("-8+60=52", "-8+60=52 <Parallel>") + CONCLUSION, "do not make up whole blocks"),
        (
            JOINED.replace("</Thread><Thread>", "</Thread>and<Thread>") + CONCLUSION,
            "'and' stands after </Thread>",
        ),
        (JOINED + CONCLUSION + "</Thread>", "do not make up whole blocks"),
        (JOINED + CONCLUSION.replace("23+52", "<Thread>"), "do not make up whole blocks"),
        (JOINED, "do not make up whole blocks"),
        (JOINED.replace("1: 12 - 30 + 41", "12 - 30 + 41") + CONCLUSION, "does not begin with a number"),
        (OUTLINED + CONCLUSION, "do not make up whole blocks"),
        ("\\boxed{75}", "there are none"),
        ("<Parallel><Outlines></Outlines><Conclusion>" * 3000, "do not make up whole blocks"),
    ],
)
def test_a_text_that_breaks_the_grammar_is_refused(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=re.escape(message)):
        check_format(text)


def test_with_the_oracle_as_model_every_held_out_question_is_answered_right() -> None:
    dataset = make_dataset("chain_sum", CONFIGS["chain_sum"][0], seed=0, size=60)
    entries = [dataset[index] for index in range(60)]
    questions = [asked("chain_sum", entry) for entry in entries]
    oracle = ChainOracle({question.text: question.expression for question in questions})
    traces = solve_by_outlines(oracle, [question.text for question in questions])
    for trace, entry in zip(traces, entries, strict=True):
        assert trace.fault is None
        assert dataset.score_answer(extract_answer(trace.text), entry) == 1.0
        assert len(trace.threads) >= 2


def test_whole_texts_are_taught_but_for_their_threads(taught: list[Conversation]) -> None:
    dataset = make_dataset("chain_sum", CONFIGS["chain_sum"][0], seed=0, size=1)
    whole = taught[::2]
    for conversation in whole:
        _, block, threads, conclusion = conversation.turns
        check_format(block.text + threads.text + conclusion.text)
        assert threads.target is None
        assert block.target is not None
        assert block.target.endswith(END_OUTLINES)
        assert conclusion.target is not None
        assert conclusion.target.startswith("\n<Conclusion>")
        answer = sum(parse_chain(conversation.key.removeprefix("chain_sum ")))
        entry = {"answer": str(answer)}
        assert dataset.score_answer(extract_answer(conclusion.text), entry) == 1.0


def test_a_thread_is_taught_after_what_it_will_see_and_nothing_else(taught: list[Conversation]) -> None:
    for whole, thread in zip(taught[::2], taught[1::2], strict=True):
        _, begun, learnt = thread.turns
        block, threads = whole.turns[1].text, whole.turns[2].text
        number = re.findall(r"<Thread>\n([0-9]):$", begun.text)
        assert begun.text == open_thread(block, int(number[0]))
        assert begun.target is None
        assert learnt.continues
        assert learnt.target is not None
        assert f"<Thread>\n{number[0]}:{learnt.target}" in threads
        *steps, _ = learnt.text.strip().split("\n")
        outline = parse_outlines(block)[int(number[0]) - 1]
        assert steps == add_up(parse_chain(outline.text))


def test_every_step_that_is_taught_is_true(taught: list[Conversation]) -> None:
    for conversation in taught:
        for turn in conversation.turns[1:]:
            for left, signed, result in re.findall(
                r"^(-?[0-9]+)([-+][0-9]+)=(-?[0-9]+)$", turn.text, re.MULTILINE
            ):
                assert int(left) + int(signed) == int(result)


def test_every_tag_is_seen_in_training(taught: list[Conversation]) -> None:
    texts = "\n".join(turn.text for conversation in taught for turn in conversation.turns)
    assert [phrase for phrase in PHRASES if phrase not in texts] == []


def test_the_same_draws_give_the_same_conversations(taught: list[Conversation]) -> None:
    again = itertools.islice(conversations(random.Random(1), training_questions(CONFIGS, 7)), 40)
    assert list(again) == taught[:40]


@pytest.mark.parametrize("text", ["", "12 * 3", "12 +", "12 + x", "+", "1  + 2", "9" * 30])
def test_what_is_no_chain_sum_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no chain sum"):
        parse_chain(text)


def test_terms_are_read_with_their_signs_and_added_from_the_left() -> None:
    assert parse_chain("- 12 + 3 - 40") == [-12, 3, -40]
    assert parse_chain("+ 12") == [12]
    assert add_up([-12, 3, -40]) == ["-12+3=-9", "-9-40=-49"]
    assert add_up([5]) == []


@pytest.mark.parametrize("body", ["", "\nfive", "\n2+3="])
def test_a_thread_without_a_result_cannot_be_concluded_from(body: str) -> None:
    with pytest.raises(FormatError, match="without a result"):
        write_conclusion(f"{OUTLINED}\n<Thread>\n1:{body}</Thread>")


def test_a_turn_can_continue_an_assistants_turn_only() -> None:
    begun = Turn("assistant", "a", "a")
    more = Turn("assistant", "b", "b", continues=True)
    whole = Conversation((user("q"), begun, more), "k")
    assert whole.prompt == opened(Prompt.user("q"), "a")
    for turns in ((user("q"), more), (more, user("q"), begun), (user("q"), begun, Turn("assistant", "b", "b"))):
        with pytest.raises(ValueError, match="must alternate"):
            Conversation(turns, "k")
    with pytest.raises(ValueError, match="cannot continue"):
        Turn("user", "q", continues=True)
