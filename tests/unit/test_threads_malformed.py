"""Forks that break their grammar, and branches that do not come to their own end."""

from __future__ import annotations

import pytest

from tests.unit.thread_scripts import QUESTION, Writer, begun, noted, spans, think
from ttscale.budget import Budget
from ttscale.testing import Reply, virtual_clock
from ttscale.types import Prompt

WEAVER = "threads:protocol=threadweaver"
HEADER = "<Parallel>\n<Outlines>\n<Outline>1: a</Outline>\n<Outline>2: b</Outline>\n</Outlines>"
ONE, TWO, AFTER = "<Thread>\n1:", "<Thread>\n2:", "</Thread>\n"
END = "</Parallel>\nSo \\boxed{1}."


def weaver(**other: str | Reply) -> Writer:
    replies: dict[str, str | Reply] = {
        QUESTION: HEADER,
        ONE: " x </Thread>",
        TWO: " y </Thread>",
        AFTER: END,
    }
    return Writer({**replies, **other})


# ── headers ───────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_header_without_outlines_is_text_and_the_model_goes_on() -> None:
    empty = "<Parallel><Outlines> nothing </Outlines>"
    outcome, backend = await think(WEAVER, weaver(**{QUESTION: empty, empty: " So \\boxed{2}."}))
    assert outcome.text == empty + " So \\boxed{2}."
    assert (len(backend.records), noted(outcome, "threads")) == (2, 0)


@virtual_clock
async def test_a_header_that_closes_nothing_is_text() -> None:
    outcome, _ = await think(WEAVER, weaver(**{QUESTION: "So </Outlines>", "So </Outlines>": " \\boxed{2}."}))
    assert outcome.text == "So </Outlines> \\boxed{2}."


@virtual_clock
async def test_of_repeated_numbers_the_first_outline_counts_everywhere() -> None:
    """The original runs them twice in its evaluation and once in training."""
    header = HEADER.replace("</Outlines>", "<Outline>1: again</Outline>\n</Outlines>")
    outcome, _ = await think(WEAVER, weaver(**{QUESTION: header}))
    assert [(span["number"], span["outline"]) for span in spans(outcome)] == [("1", "a"), ("2", "b")]
    assert outcome.text == f"{header}\n<Thread>\n1: x </Thread><Thread>\n2: y </Thread>\n{END}"


@virtual_clock
async def test_of_more_outlines_than_wanted_the_first_ones_run() -> None:
    outcome, _ = await think(WEAVER + ",max_branches=1", weaver())
    assert [span["number"] for span in spans(outcome)] == ["1"]


@virtual_clock
async def test_a_header_that_is_never_closed_is_text() -> None:
    open_header = HEADER.removesuffix("</Outlines>")
    outcome, backend = await think(WEAVER, weaver(**{QUESTION: open_header}))
    assert outcome.text == open_header
    assert len(backend.records) == 1


@virtual_clock
async def test_after_the_last_fork_lexemes_are_text() -> None:
    outcome, backend = await think(WEAVER + ",max_forks=1", weaver(**{AFTER: HEADER + " So \\boxed{3}."}))
    assert outcome.answer == "3"
    assert len(backend.records) == 4


@virtual_clock
async def test_outlines_written_by_a_thread_do_not_fork_its_parent() -> None:
    inside = " <Outlines><Outline>7: no</Outline></Outlines> </Parallel> </Thread>"
    outcome, _ = await think(WEAVER, weaver(**{ONE: inside, AFTER: "so </Outlines>", "so </Outlines>": " on"}))
    assert [span["number"] for span in spans(outcome)] == ["1", "2"]
    assert outcome.text is not None
    assert f"<Thread>\n1:{inside}" in outcome.text


@virtual_clock
async def test_endless_nesting_ends_at_the_greatest_depth() -> None:
    def model(prompt: Prompt, seed: int, ordinal: int) -> str:
        if begun(prompt).endswith("<Conclusion>\n"):
            return "c</Conclusion></Parallel></Path>"
        return "<Parallel><Goal><Outline>1: again</Outline></Goal></Path>"

    outcome, backend = await think("threads:protocol=multiverse,max_forks=1,max_depth=3", model)
    assert [span["depth"] for span in spans(outcome)] == [1, 2, 3]
    assert len(backend.records) == 3 + 1 + 3


@virtual_clock
@pytest.mark.parametrize(("left", "num_branches"), [(29, 0), (30, 1)])
async def test_multiverse_does_not_fork_for_its_last_tokens(left: int, num_branches: int) -> None:
    header = "<Parallel><Goal><Outline>1: a</Outline></Goal>"
    model = Writer({QUESTION: header, "</Goal>": "x" * 90, "<Path>\n1:": "y" * 90})
    outcome, _ = await think(f"threads:protocol=multiverse,max_tokens={len(header) + left}", model)
    assert len(spans(outcome)) == num_branches
    written = (
        header + "x" * left + "\n</Parallel>" if num_branches == 0 else f"{header}\n<Path>\n1:" + "y" * left
    )
    assert outcome.text is not None
    assert outcome.text.startswith(written)


# ── branches ──────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_branch_without_its_closing_tag_gets_it() -> None:
    outcome, _ = await think(WEAVER, weaver(**{ONE: " x"}))
    assert outcome.text == f"{HEADER}\n<Thread>\n1: x</Thread><Thread>\n2: y </Thread>\n{END}"
    assert [span["ended"] for span in spans(outcome)] == ["end", "closed"]


@virtual_clock
async def test_threadweaver_ends_with_the_block_when_a_thread_hits_its_limit() -> None:
    outcome, _ = await think(WEAVER + ",branch_tokens=4", weaver(**{ONE: " xxxxxxxxxx </Thread>", TWO: " y"}))
    joined = f"{HEADER}\n<Thread>\n1: xxx</Thread><Thread>\n2: y</Thread>\n"
    assert outcome.text == joined + "\n</Parallel>"
    assert [span["ended"] for span in spans(outcome)] == ["length", "end"]


@virtual_clock
async def test_other_protocols_go_on_when_a_branch_hits_its_limit() -> None:
    model = Writer({QUESTION: "<Parallel>", "<Path>": "x" * 9 + "</Path>", "<Summary>": "\\boxed{1}"})
    outcome, _ = await think("threads:protocol=parallel_r1,branch_tokens=4", model)
    assert outcome.text == "<Parallel><Path>xxxx</Path><Path>xxxx</Path></Parallel>\n<Summary>\\boxed{1}"


@virtual_clock
async def test_a_nested_block_that_is_cut_is_closed_inside_out() -> None:
    model = Writer(
        {
            QUESTION: "<Parallel><Goal><Outline>1: a</Outline></Goal>",
            "<Path>\n1:": "<Parallel><Goal>" + "x" * 90,
            "<Conclusion>\n": "\\boxed{1}",
        }
    )
    outcome, _ = await think("threads:protocol=multiverse,branch_tokens=20", model)
    body = "<Parallel><Goal>xxxx\n</Goal>\n</Parallel></Path>"
    assert outcome.text is not None
    assert f"<Path>\n1:{body}\n<Conclusion>\n" in outcome.text


@virtual_clock
async def test_the_limit_of_a_root_holds_along_its_longest_path() -> None:
    model = Writer({QUESTION: "<Parallel>", "<Path>": "x" * 90, "<Summary>": "s" * 90})
    outcome, _ = await think("threads:protocol=parallel_r1,max_tokens=60", model)
    assert outcome.critical_path_tokens == 60
    assert outcome.usage.generated == 10 + 2 * 50
    assert outcome.text is not None
    assert outcome.text.endswith("</Path></Parallel>\n<Summary>\n</Summary>")


@virtual_clock
@pytest.mark.parametrize("tokens", range(120, 700, 45))
async def test_a_budget_that_ends_leaves_no_tag_open(tokens: int) -> None:
    outcome, _ = await think(WEAVER, weaver(), budget=Budget(tokens=tokens))
    assert outcome.usage.tokens <= tokens
    for tag in ("Parallel", "Outlines", "Thread"):
        assert outcome.text is not None
        assert outcome.text.count(f"<{tag}>") == outcome.text.count(f"</{tag}>")


@virtual_clock
async def test_a_failed_branch_is_closed_and_the_others_count() -> None:
    failing = Reply(" xxxx </Thread>", error="broken", fail_after=3)
    model = Writer({QUESTION: "<Parallel>", "<Summary>": "\\boxed{1}", "<Path>": failing})
    outcome, _ = await think("threads:protocol=parallel_r1", model)
    assert outcome.text == "<Parallel><Path> xx</Path><Path> xx</Path></Parallel>\n<Summary>\\boxed{1}"
    assert [span["error"] for span in spans(outcome)] == ["broken", "broken"]


@virtual_clock
async def test_branches_that_began_early_are_called_off_if_the_header_is_never_closed() -> None:
    parts = "<parts>\n<part>1: a</part>\n<part>2: b</part>\nwell, no. So \\boxed{5}."
    model = Writer({"into \\boxed{}.": parts, "says its result.": "x" * 900})
    outcome, backend = await think("threads", model)
    assert (outcome.text, outcome.answer) == (parts, "5")
    assert [span["ended"] for span in spans(outcome)] == ["called off", "called off"]
    assert [record.finish_reason for record in backend.records] == ["stop", "abort", "abort"]
