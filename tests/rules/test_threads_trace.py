"""Traces as trees: their text, their measures, their ends; and who is waited for."""

from __future__ import annotations

import pytest

from ttscale_strategies.threads.rules import (
    Block,
    Branch,
    Finish,
    Trace,
    Words,
    missing_closes,
    without_tail,
)


def branch(number: str, text: str) -> Branch:
    return Branch(number=number, opening=f"<{number}>", body=Trace((Words(text, len(text)),)), closing="</>")


BLOCK = Block(branches=(branch("1", "aaaa"), branch("2", "bbbbbbbb")), before="\n", between=" ", after="=")


def test_a_tree_reads_as_one_text() -> None:
    trace = Trace((Words("0123456789", 10), BLOCK, Words("end", 3)))
    assert trace.text == "0123456789\n<1>aaaa</> <2>bbbbbbbb</>=end"
    assert (trace.num_generated, trace.num_sequential) == (25, 21)


def test_what_is_not_joined_is_nobodys_predecessor() -> None:
    loose = Block(branches=BLOCK.branches, is_joined=False)
    assert Trace((Words("0123456789", 10), loose, Words("end", 3))).num_sequential == 18
    assert Trace((Words("0", 1), loose, Words("x" * 20, 20))).num_sequential == 21


def test_branches_are_listed_with_those_below_them() -> None:
    inner = Branch(number="3", opening="", body=Trace((BLOCK,)))
    trace = Trace((Block(branches=(inner, branch("4", ""))),))
    assert [one.number for one in trace.branches()] == ["3", "1", "2", "4"]


def test_words_that_are_taken_back_have_cost_their_tokens() -> None:
    kept = without_tail([Words("ab", 2), Words("cd", 2), Words("ef", 0)], 3)
    assert kept == [Words("ab", 2), Words("c", 2), Words("", 0)]


PAIRS = (("<a>", "</a>"), ("<b>", "</b>"))


@pytest.mark.parametrize(
    ("text", "closes"),
    [
        ("", ""),
        ("<a> <b>", "\n</b>\n</a>"),
        ("<a> <b> </b>", "\n</a>"),
        ("</a> <b>", "\n</b>"),
        ("<a> <b> </a>", ""),
        ("<a><a></a>", "\n</a>"),
    ],
)
def test_what_is_open_is_closed_inside_out(text: str, closes: str) -> None:
    assert missing_closes(text, PAIRS) == closes


def test_a_join_waits_for_the_shortest_by_tokens_whoever_ends_first() -> None:
    finish = Finish(1)
    caps = list[int | None]()
    for length in (9, 7, 8):
        caps.append(finish.cap)
        finish.end(length)
    assert (caps, finish.cap) == ([None, 9, 7], 7)


def test_a_join_of_all_cuts_nobody() -> None:
    finish = Finish(None)
    finish.end(1)
    assert (finish.cap, finish.is_race) == (None, False)
