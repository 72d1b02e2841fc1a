"""APR: sub searches on states, their results in place of the calls."""

from __future__ import annotations

import pytest

from tests.unit.thread_scripts import QUESTION, Writer, begun, spans, think
from ttscale.testing import Reply, virtual_clock
from ttscale.types import Prompt

START = """Moving to Node #0
Current State: 27:[22, 26, 31, 53], Operations: []
Exploring Operation: 31+22=53, Resulting Numbers: [26, 53, 53]
Generated Node #0,0: 27:[26, 53, 53] Operation: 31+22=53
Exploring Operation: 53-31=22, Resulting Numbers: [22, 26, 22]
Generated Node #0,1: 27:[22, 26, 22] Operation: 53-31=22
"""
CALLS = """<Calling Sub Searches>
<Start Sub Search 0 at level 1> Moving to Node #0,0
<Start Sub Search 1 at level 1> Moving to Node #0,1
<End Calling Sub Searches>"""
STATES = (
    "Moving to Node #0,0\nCurrent State: 27:[26, 53, 53], Operations: ['31+22=53']",
    "Moving to Node #0,1\nCurrent State: 27:[22, 26, 22], Operations: ['53-31=22']",
)
PATH = """Exploring Operation: 22/22=1, Resulting Numbers: [26, 1]
Exploring Operation: 26+1=27, Resulting Numbers: [27]
27,27 equal: Goal Reached"""
FOUND = f"{PATH}\n{PATH}"
JOINED = f"""<Sub Searches>
<No Solution in Sub Search 0 at level 1 at Node #0,0>
<Goal Reached in Sub Search 1 at level 1 at Node #0,1>
{PATH}
<End Sub Searches>"""
END = "\n53-31=22\n22/22=1\n26+1=27\n\\boxed{26+(53-31)/22}"
ASKED = "in parallel sub searches."


def asked(number: int) -> str:
    return STATES[number] + "\n\nSearch from this state."


def to_27(**other: str | Reply) -> Writer:
    replies: dict[str, str | Reply] = {
        ASKED: START + CALLS,
        asked(0): "Exploring Operation: 53-53=0, Resulting Numbers: [26, 0]\nNo Solution",
        asked(1): FOUND,
        "<End Sub Searches>": END,
    }
    return Writer({**replies, **other})


@virtual_clock
async def test_results_take_the_place_of_the_calls() -> None:
    model = to_27()
    outcome, _ = await think("threads:protocol=apr", model)
    assert model.written[-1] == START + JOINED
    assert outcome.text == START + JOINED + END
    assert outcome.answer == "26+(53-31)/22"


@virtual_clock
async def test_sub_searches_see_their_state_and_nothing_else() -> None:
    model = to_27()
    await think("threads:protocol=apr", model)
    children = [prompt for prompt in model.prompts if prompt.question.startswith("Moving")]
    assert [len(child.messages) for child in children] == [1, 1]
    assert [child.question for child in children] == [asked(0), asked(1)]


@virtual_clock
async def test_a_sub_search_begins_while_the_root_still_calls_others() -> None:
    _, backend = await think("threads:protocol=apr", to_27())
    root, one, two, _ = backend.records
    first = len(START + CALLS[: CALLS.index("#0,0") + len("#0,0")])  # and one more token, which ends the line
    assert one.started == pytest.approx(0.01 * (first + 1))
    assert one.started is not None
    assert root.ended is not None
    assert two.started is not None
    assert one.started < two.started <= root.ended


@virtual_clock
async def test_the_longest_path_counts_calls_only_up_to_the_sub_search() -> None:
    outcome, _ = await think("threads:protocol=apr", to_27())
    one, two = spans(outcome)
    assert one["start_tokens"] == len(START + CALLS[: CALLS.index("#0,0") + 4]) + 1
    assert isinstance(two["end_tokens"], int)
    assert outcome.critical_path_tokens == two["end_tokens"] + len(END)


@virtual_clock
async def test_made_up_results_become_a_real_call() -> None:
    calls = CALLS.removeprefix("<Calling Sub Searches>")
    model = to_27(
        **{
            ASKED: START + "<Sub Searches>\n<Goal Reached in Sub Search 0 at level 1 at Node #0,0>",
            START + "<Calling Sub Searches>": calls,
        }
    )
    outcome, _ = await think("threads:protocol=apr", model)
    assert START + "<Calling Sub Searches>" in model.written
    assert outcome.text == START + JOINED + END


@virtual_clock
async def test_two_sub_searches_from_one_state_are_two() -> None:
    """The original attaches results by the first prompt that looks alike."""

    def model(prompt: Prompt, seed: int, ordinal: int) -> str:
        if prompt.question == asked(1):
            children.append(seed)
            return FOUND if len(children) == 2 else "No Solution"
        return END if begun(prompt) else START + CALLS.replace("#0,0", "#0,1")

    children = list[int]()
    outcome, _ = await think("threads:protocol=apr", model)
    assert len(set(children)) == 2
    assert outcome.text == START + JOINED.replace("#0,0", "#0,1") + END


@virtual_clock
async def test_model_text_is_read_and_never_evaluated() -> None:
    evil = START.replace("Operation: 31+22=53\n", "Operation: __import__('os')\n", 1).replace(
        "[26, 53, 53] Operation", "[().__class__] Operation"
    )
    model = to_27(**{ASKED: evil + CALLS})
    outcome, _ = await think("threads:protocol=apr", model)
    assert [span["number"] for span in spans(outcome)] == ["1"]
    assert outcome.text is not None
    assert "Goal Reached in Sub Search 1" in outcome.text


@virtual_clock
async def test_a_call_in_a_sub_search_is_text() -> None:
    outcome, backend = await think("threads:protocol=apr", to_27(**{asked(0): START + CALLS + "\nNo Solution"}))
    assert outcome.text == START + JOINED + END
    assert len(backend.records) == 4


@virtual_clock
async def test_bare_text_is_gone_on_with_as_the_authors_models_know_it() -> None:
    root = START[: START.index("Exploring")]
    model = Writer(
        {
            root: START.removeprefix(root) + CALLS,
            STATES[0] + "\n": "No Solution",
            STATES[1] + "\n": FOUND,
            "<End Sub Searches>": END,
        }
    )
    outcome, _ = await think("threads:protocol=apr_bare", model, prompt=Prompt(text=root))
    assert model.written[-1] == START + JOINED
    assert outcome.answer == "26+(53-31)/22"
    assert QUESTION not in model.written[0]


@virtual_clock
@pytest.mark.parametrize(
    "wrong",
    [
        FOUND.replace("26+1=27, Resulting", "26+1=28, Resulting"),
        FOUND.replace("Numbers: [26, 1]", "Numbers: [27, 1]"),
        FOUND.replace("22/22=1", "22/31=1"),
        FOUND.replace(PATH.splitlines()[1] + "\n", ""),
    ],
)
async def test_checked_searches_reach_the_goal_only_if_their_paths_do(wrong: str) -> None:
    outcome, backend = await think(
        "threads:protocol=apr_checked", to_27(**{"<End Sub Searches>": "never asked"})
    )
    assert outcome.text == START + JOINED + END
    assert len(backend.records) == 3
    outcome, _ = await think("threads:protocol=apr_checked", to_27(**{asked(1): wrong}))
    assert outcome.text is not None
    assert "Goal Reached in Sub Search" not in outcome.text
    assert (outcome.answer, outcome.text.endswith(END)) == (None, True)
    outcome, _ = await think("threads:protocol=apr", to_27(**{asked(1): wrong}))
    assert outcome.text is not None
    assert "Goal Reached in Sub Search 1" in outcome.text


@virtual_clock
async def test_checked_searches_do_not_begin_at_nodes_that_are_not_reached() -> None:
    wrong = START.replace("[26, 53, 53] Operation: 31+22=53", "[26, 53, 54] Operation: 31+22=54")
    outcome, _ = await think("threads:protocol=apr_checked", to_27(**{ASKED: wrong + CALLS}))
    assert [span["number"] for span in spans(outcome)] == ["1"]
