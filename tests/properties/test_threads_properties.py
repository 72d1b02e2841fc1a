"""Whatever the order in which branches end, and wherever they are cut, a trace is the same, and closed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_threads_golden import NESTED
from tests.unit.thread_scripts import QUESTION, begun, spans, think
from ttscale.budget import Budget
from ttscale.strategies import Threads
from ttscale.testing import Reply, run_virtual
from ttscale.types import Outcome, Prompt

TAGS = ("<Parallel>", "</Parallel>", "<Goal>", "</Goal>", "<Outline>", "<Thread>", "</Outlines>", "<Outlines>")


def paced(prompt: Prompt, seed: int, order: int, ends: Sequence[tuple[str, str]]) -> Reply:
    """Reply by what stands there, in a time that follows from the seed and an order."""
    written = begun(prompt) or prompt.question
    text = next(reply for end, reply in ends if written.endswith(end))
    return Reply(text, seconds=random.Random(f"{order} {seed}").uniform(0.1, 9.0))


def solved(
    strategy: Threads, ends: Sequence[tuple[str, str]], order: int, tokens: int | None = None
) -> Outcome:
    def model(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        return paced(prompt, seed, order, ends)

    return run_virtual(think(strategy, model, budget=Budget(tokens=tokens)))[0]


def nested_ends() -> list[tuple[str, str]]:
    inner = NESTED[NESTED.index(" again") :]
    return [
        ("rr\n</Path>\n<Conclusion>\n", "both\n</Conclusion>\n</Parallel>\ndone\n</Path>"),
        ("done\n</Path>\n<Conclusion>\n", "sum\n</Conclusion>\n</Parallel>\nSo \\boxed{4}."),
        ("<Path>\n1:", " alone\n</Path>"),
        ("<Path>\n2:", inner[: inner.index("</Goal>") + 7]),
        ("<Path>\n2.1:", " l\n</Path>"),
        ("<Path>\n2.2:", " rr\n</Path>"),
        (QUESTION, NESTED[: NESTED.index("</Goal>") + 7]),
    ]


@settings(max_examples=15, deadline=None)
@given(order=st.integers(0, 10**6))
def test_the_order_of_completion_never_changes_a_trace(order: int) -> None:
    assert solved(Threads(protocol="multiverse"), nested_ends(), order).text == NESTED


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=2, max_size=5),
    quorum=st.integers(1, 2),
    order=st.integers(0, 99),
)
def test_a_race_is_won_by_tokens_and_not_by_the_clock(lengths: list[int], quorum: int, order: int) -> None:
    ends = [(f"<think{n}>", "x" * size + f"</think{n}>") for n, size in enumerate(lengths, start=1)]
    strategy = Threads(protocol="parathinker", max_branches=len(lengths), join="quorum", quorum=quorum)
    outcome = solved(strategy, [*ends, ("<summary>", "done")], order)
    cap = sorted(lengths)[quorum - 1]
    assert [len(str(span["text"])) for span in spans(outcome)] == [min(size, cap) for size in lengths]
    threads = [f"<think{n}>{'x' * min(size, cap)}</think{n}>" for n, size in enumerate(lengths, start=1)]
    assert outcome.text == "".join(threads) + "<summary>done"  # who was cut is closed


@settings(max_examples=20, deadline=None)
@given(tokens=st.integers(60, 4000), order=st.integers(0, 99))
def test_wherever_a_budget_ends_no_tag_is_left_open(tokens: int, order: int) -> None:
    text = solved(Threads(protocol="multiverse"), nested_ends(), order, tokens).text or ""
    for tag in ("Parallel", "Goal", "Path", "Conclusion"):
        assert text.count(f"<{tag}>") == text.count(f"</{tag}>"), text


@settings(max_examples=25, deadline=None)
@given(body=st.lists(st.sampled_from([*TAGS, "1:", " ", "x", "\n"]), max_size=12).map("".join))
def test_tags_inside_a_branch_are_text(body: str) -> None:
    header = "<Parallel><Outlines><Outline>1: a</Outline></Outlines>"
    ends = [("<Thread>\n1:", f"{body}</Thread>"), (QUESTION, header), ("</Thread>\n", "</Parallel>!")]
    outcome = solved(Threads(protocol="threadweaver"), ends, 0)
    assert outcome.text == f"{header}\n<Thread>\n1:{body}</Thread>\n</Parallel>!"
