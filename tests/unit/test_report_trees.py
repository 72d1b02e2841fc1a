"""Search trees in the report: read from spans of any kind, packed within limits, nothing left out unsaid."""

from __future__ import annotations

import json
import math
import zlib
from collections import Counter
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.tree_spans import Span, large_tree, node_span, small_tree, solve_span
from tests.unit.search_bench import Grader, by_last_letter, nodes_of, solve, wander
from tests.unit.test_report_html import HOSTILE, ROWS, SHOWN, Page, answer, sample_span, unpacked
from ttscale.testing import virtual_clock
from ttscale.types import JSON
from ttscale_evals.report import ReportData, render_html
from ttscale_evals.report.load import KeptSpans
from ttscale_evals.report.tree_packets import MAX_TREES, TEXT_LEFT_OUT, TreePackets, packet, summary
from ttscale_evals.report.trees import search_trees
from ttscale_evals.store import StoredTrace
from ttscale_strategies.search.beam_search import DVTS


def names_and_depths(*spans: Span) -> list[tuple[str, int]]:
    (tree,) = search_trees(spans)
    return [(node.name, node.depth) for node in tree.nodes]


def packed(*spans: Span, **limits: int) -> tuple[dict[str, Any], list[str]]:
    """Return the columns of the only tree, with its counts, and the strings."""
    found = cast("dict[str, Any]", packet(search_trees(spans), **limits))
    (tree,) = found["trees"]
    return {**tree, **tree["columns"]}, found["strings"]


def whole_names(tree: dict[str, Any], strings: list[str]) -> list[str]:
    """Return the names of nodes, put together as the page does it."""
    names = list[str]()
    for name, parent in zip(tree["name"], tree["parent"], strict=True):
        own = strings[name]
        names.append(names[parent] + own if own.startswith(".") and parent >= 0 else own)
    return names


def report_page(*spans: Span, **limits: Any) -> tuple[str, Page]:
    given = [answer(problem_id=f"p{number}", spans=spans) for number in range(3)]
    written = render_html(ReportData(rows=ROWS, answers=tuple(given)), **limits)
    return written, Page(written)


def tree_lines(page: Page) -> list[str]:
    return [line for line in page.texts["script"][3].split("\n") if line]


# ── from spans to trees ───────────────────────────────────────────────────────────────────────────────────


def test_nodes_come_from_the_root_down_in_the_order_of_their_draws_whatever_the_order_of_spans() -> None:
    expected = [("0", 1), ("0.0", 2), ("0.1", 2), ("0.1.0", 3), ("0.1.1", 3), ("0.1.2", 3), ("1", 1), ("2", 1)]
    assert names_and_depths(*small_tree()) == expected
    assert names_and_depths(*reversed(small_tree())) == expected
    many = [node_span(number, str(number)) for number in (10, 9, 2)]
    assert [name for name, _ in names_and_depths(*many)] == ["2", "9", "10"]


def test_the_spans_of_each_search_are_a_tree_of_their_own() -> None:
    branch: Span = {**solve_span("branch"), "id": 20, "parent": 0, "kind": "child"}
    spans = (*small_tree(), branch, node_span(21, "0", span_parent=20), node_span(22, "0.0", span_parent=20))
    trees = search_trees((*spans, sample_span(30, "not a node")))
    assert [(tree.name, len(tree.nodes), tree.num_strays) for tree in trees] == [
        ("BeamSearch", 8, 0),
        ("branch", 2, 0),
    ]
    assert search_trees((sample_span(0, "x"),)) == []


def test_the_chosen_path_is_the_chosen_leaf_and_all_above_it() -> None:
    (tree,) = search_trees(small_tree())
    assert {tree.nodes[place].name for place in tree.path_of_chosen()} == {"0", "0.1", "0.1.0"}
    assert [tree.nodes[place].name for place in tree.by_importance()] == [
        *("0", "0.1", "0.1.0"), *("1", "2"), "0.0", *("0.1.1", "0.1.2"),
    ]  # fmt: skip


def test_a_node_without_its_parent_stands_at_the_top_and_is_counted() -> None:
    (tree,) = search_trees((node_span(1, "0"), node_span(2, "5.1"), node_span(3, "5.1.0")))
    assert [(node.name, node.parent) for node in tree.nodes] == [("0", -1), ("5.1", -1), ("5.1.0", 1)]
    assert tree.num_strays == 1


def test_parents_that_go_round_in_a_circle_are_shown_once_each() -> None:
    circle = [
        node_span(1, "a", node="x", parent_node="z"),
        node_span(2, "b", node="y", parent_node="x"),
        node_span(3, "c", node="z", parent_node="y"),
        node_span(4, "d", node="w", parent_node="w"),
    ]
    (tree,) = search_trees(circle)
    assert [(node.name, node.parent) for node in tree.nodes] == [("a", -1), ("b", 0), ("c", 1), ("d", -1)]
    assert tree.num_strays == 2


def test_of_two_nodes_with_one_key_the_first_has_the_children() -> None:
    (tree,) = search_trees(
        (
            node_span(1, "0", node="k"),
            node_span(2, "1", node="k"),
            node_span(3, "0.0", parent_node="k", node="c"),
        )
    )
    assert [(node.name, node.parent) for node in tree.nodes] == [("0", -1), ("0.0", 0), ("1", -1)]


@pytest.mark.parametrize("broken", [None, "much", [1], {"a": 1}, True, -3, math.nan, math.inf, 10**400])
def test_numbers_of_another_kind_are_unknown_and_break_nothing(broken: JSON) -> None:
    span = {**node_span(1, "0", tokens=broken, reward=broken, draws=broken), "start": broken, "end": broken}
    (tree,) = search_trees((span,))
    (node,) = tree.nodes
    assert [type(count) for count in (node.tokens, node.draws)] == [int, int]
    assert (node.tokens, node.draws) == (0, 1)
    assert all(value is None or math.isfinite(value) for value in (node.reward, node.start, node.end))
    assert render_html(ReportData(rows=ROWS, answers=(answer(spans=(span,)),)))


def test_a_node_without_attributes_is_a_node_too() -> None:
    (tree,) = search_trees(({**node_span(1, "0"), "attributes": {}},))
    (node,) = tree.nodes
    assert (node.state, node.text, node.tokens, node.reward, node.draws) == ("unknown", None, 0, None, 1)


def test_names_that_go_on_from_another_are_kept_short_and_others_whole() -> None:
    tree, strings = packed(*(node_span(n, "0" + ".1" * n) for n in range(300)), node_span(301, "7.8"))
    assert whole_names(tree, strings) == [*("0" + ".1" * n for n in range(300)), "7.8"]
    assert set(strings) >= {"0", ".1", "7.8"}
    assert not {"0.1", "0.1.1"} & set(strings)


# ── what the page holds ───────────────────────────────────────────────────────────────────────────────────


def test_a_summary_counts_nodes_and_tokens_by_state() -> None:
    (tree,) = search_trees(small_tree())
    assert summary(tree) == {
        "name": "BeamSearch",
        "nodes": 8,
        "tokens": 80,
        "depth": 3,
        "best": 0.9375,
        "states": {
            "expanded": [2, 30], "pruned": [1, 10], "leaf": [2, 20], "chosen": [1, 10], "open": [1, 10],
            "failed": [1, 0],
        },
    }  # fmt: skip
    unscored = search_trees((node_span(1, "0", reward=None),))
    assert cast("dict[str, Any]", summary(unscored[0]))["best"] is None


def test_every_field_of_a_node_is_in_its_column() -> None:
    tree, strings = packed(*small_tree())
    place = whole_names(tree, strings).index("0.1")
    texts = {column: strings[tree[column][place]] for column in ("state", "text")}
    assert texts == {"state": "expanded", "text": "Then double. "}
    plain = {column: tree[column][place] for column in ("parent", "tokens", "reward", "draws", "start", "end")}
    assert plain == {"parent": 0, "tokens": 20, "reward": 0.875, "draws": 3, "start": 0.04, "end": 1.04}
    given = {name: number for number, name in enumerate(whole_names(tree, strings))}
    assert strings[tree["answer"][given["0.1.0"]]] == "12"
    assert tree["answer"][given["0.1.2"]] == -1
    assert tree["reward"][given["2"]] is None
    assert strings[tree["reason"][given["2"]]] == "the engine went away"
    assert tree["more_nodes"] == tree["more_texts"] == tree["strays"] == 0


def test_of_a_tree_beyond_the_limit_the_chosen_path_and_the_top_are_kept_and_the_rest_is_counted() -> None:
    tree, strings = packed(*large_tree(), max_nodes=1_000)
    names = whole_names(tree, strings)
    assert len(names) == 1_000
    assert tree["more_nodes"] == 4_000
    assert "chosen" in {strings[state] for state in tree["state"]}
    for number, name in enumerate(names):
        parent = name.rpartition(".")[0]
        assert (names[tree["parent"][number]] if tree["parent"][number] >= 0 else "") == parent
    others = {name.count(".") for name in names} - {name.count(".") for name in names if name.startswith("195")}
    assert others == set()
    assert sum(name.count(".") == 0 for name in names) == 200


def test_texts_beyond_the_limit_are_left_out_the_chosen_path_last_and_counted() -> None:
    tree, strings = packed(*large_tree(), max_steps_chars=60_000)
    texts = [strings[text] for text in tree["text"] if text != TEXT_LEFT_OUT]
    assert 0 < sum(map(len, texts)) <= 60_000
    assert tree["more_texts"] == len(tree["text"]) - len(texts) == tree["text"].count(TEXT_LEFT_OUT)
    chosen = [strings[state] for state in tree["state"]].index("chosen")
    while chosen >= 0:
        assert tree["text"][chosen] >= 0
        chosen = tree["parent"][chosen]


def test_trees_beyond_the_limit_are_counted() -> None:
    spans = [node_span(number, "0", span_parent=number) for number in range(MAX_TREES + 7)]
    page = Page(render_html(ReportData(rows=ROWS, answers=(answer(spans=tuple(spans)),))))
    trees = page.packets[0]["answers"]["0"]["trees"]
    assert (len(trees["summaries"]), trees["more_trees"]) == (MAX_TREES, 7)
    assert len(unpacked(tree_lines(page)[0])["trees"]) == MAX_TREES


def test_trees_have_packets_of_their_own_and_the_time_line_has_the_other_spans() -> None:
    _, page = report_page(*small_tree(), sample_span(9, "a sample"))
    detail = page.packets[1]["answers"]["1"]
    assert detail["trees"]["place"] == 1
    assert len(tree_lines(page)) == 3
    assert [page.packets[1]["strings"][span[2]] for span in detail["spans"]] == ["solve", "sample"]
    assert detail["more_spans"] == 0
    assert "That is 11." not in page.packets[1]["strings"]
    assert "That is 11." in unpacked(tree_lines(page)[1])["strings"]
    plain = Page(render_html(ReportData(rows=ROWS, answers=(answer(spans=(sample_span(0, "x"),)),))))
    assert plain.packets[0]["answers"]["0"]["trees"] is None


def test_when_trees_are_too_many_their_summaries_and_the_samples_stay_and_the_page_says_so() -> None:
    _, whole = report_page(*small_tree())
    size = len(tree_lines(whole)[0])
    written, page = report_page(*small_tree(), max_tree_chars=2 * size)
    assert len(tree_lines(page)) == 2
    assert [page.packets[n]["answers"][str(n)]["trees"]["place"] for n in range(3)] == [0, 1, -1]
    assert page.packets[2]["answers"]["2"]["trees"]["summaries"][0]["nodes"] == 8
    assert "1 more answers' search trees are in the run store only." in written


def test_trees_of_questions_that_are_left_out_are_not_in_the_page() -> None:
    _, whole = report_page(*small_tree())
    size = max(len(line) for line in whole.texts["script"][2].split("\n"))
    written, page = report_page(*small_tree(), max_detail_chars=size)
    assert len(page.packets) == len(tree_lines(page)) == 1
    assert "2 more questions' samples are in the run store only." in written
    assert "2 more answers' search trees are in the run store only." in written


def test_packets_end_with_the_first_that_does_not_fit() -> None:
    small, large = search_trees(small_tree()), search_trees(tuple(large_tree()))
    packets = TreePackets(max_chars=10_000)
    assert [packets.add(trees) for trees in (small, large, small)] == [0, -1, -1]


def test_five_thousand_nodes_take_little_of_the_page() -> None:
    spans = tuple(large_tree())
    assert len(spans) == 5_001
    written = render_html(ReportData(rows=ROWS, answers=(answer(spans=spans),)))
    assert len(written) < 400_000


def test_spans_of_a_store_are_read_when_they_are_asked_for() -> None:
    packed = zlib.compress(json.dumps(small_tree()).encode())
    spans = KeptSpans(StoredTrace(key="k", attempt=0, cell=0, problem_id="p", packed=packed))
    assert list(spans) == list(small_tree())
    assert (len(spans), spans[1], spans[-2:]) == (9, small_tree()[1], small_tree()[-2:])
    page = Page(render_html(ReportData(rows=ROWS, answers=(answer(spans=spans),))))
    assert page.packets[0]["answers"]["0"]["trees"]["summaries"][0]["nodes"] == 8


def test_hostile_text_in_every_field_becomes_signs() -> None:
    hostile = node_span(1, HOSTILE, text=HOSTILE, state=HOSTILE, reason=HOSTILE, answer=HOSTILE, node=HOSTILE)
    span = {**solve_span(HOSTILE)}
    data = ReportData(rows=ROWS, answers=(answer(spans=(span, hostile)),))
    written = render_html(data)
    plain = render_html(replace(data, answers=(answer(),)))
    page = Page(written)
    assert page.tags == Page(plain).tags
    strings = unpacked(tree_lines(page)[0])["strings"]
    assert not set("\x00\x1b\u202e") & {sign for text in strings for sign in text}
    assert SHOWN in strings
    assert page.packets[0]["answers"]["0"]["trees"]["summaries"][0]["name"] == SHOWN


# ── of a real search ──────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_the_trace_of_a_search_is_its_tree() -> None:
    grader = Grader(grade=by_last_letter)
    outcome = await solve(DVTS(width=6, beam_width=3, verifier=grader), wander)
    (tree,) = search_trees(outcome.trace)
    states = Counter(node.state for node in tree.nodes)
    nodes = [span for span in nodes_of(outcome) if span["state"] != "duplicate"]
    assert (len(tree.nodes), tree.num_strays) == (len(nodes), 0)
    assert states["chosen"] == 1
    assert states["expanded"] > 0
    assert sum(node.draws for node in tree.nodes) == len(nodes_of(outcome))
    assert {node.name.partition(":")[0] for node in tree.nodes} == {"tree 0", "tree 1"}
    assert len({node.name for node in tree.nodes}) == len(tree.nodes)
    chosen = next(node for node in tree.nodes if node.state == "chosen")
    assert chosen.answer == outcome.answer


@virtual_clock
async def test_steps_of_a_tree_are_no_samples_of_the_page() -> None:
    outcome = await solve(DVTS(width=6, beam_width=3, verifier=Grader(grade=by_last_letter)), wander)
    spans = outcome.trace
    page = Page(
        render_html(ReportData(rows=ROWS, answers=(answer(spans=spans, candidates=outcome.candidates),)))
    )
    detail = page.packets[0]["answers"]["0"]
    assert len(detail["samples"]) == len(outcome.candidates) > 0
