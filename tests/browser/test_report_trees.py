"""Search trees of the HTML report in a real browser: a small one in full, and one of 5,000 nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.pages import Opened, opened_page
from tests.browser.test_report_page import HOSTILE, ROWS, SHOWN, report
from tests.tree_spans import Span, large_tree, node_span, small_tree, solve_span
from ttscale_evals.report import ReportData, render_html

pytestmark = [pytest.mark.browser, pytest.mark.integration]

Opener = Callable[..., Opened]


@pytest.fixture
def opener(browser: Browser, tmp_path: Path) -> Iterator[Opener]:
    """A function that opens the report of one answer with given spans, at its trace."""
    with ExitStack() as stack:

        def open_answer(
            spans: tuple[Span, ...], *, width: int = 1200, max_tree_chars: int = 1_000_000
        ) -> Opened:
            path = tmp_path / "report.html"
            answer = replace(report().answers[0], spans=spans, candidates=())
            data = ReportData(rows=ROWS, answers=(answer,))
            path.write_text(render_html(data, max_tree_chars=max_tree_chars), encoding="utf-8")
            opened = stack.enter_context(opened_page(browser, path, width=width))
            opened.page.locator("#problems tbody button").click()
            return opened

        yield open_answer


def rows(page: Page) -> Locator:
    return page.locator(".tree-body .tree-row")


def names(page: Page) -> list[str]:
    return rows(page).locator(".tree-name bdi").all_text_contents()


def active(page: Page) -> Locator:
    return page.locator(".tree-row[aria-selected=true]")


def details(page: Page) -> Locator:
    return page.locator(".tree-node")


def tally(page: Page) -> Locator:
    return page.locator(".tree-controls output")


def choice(page: Page, name: str) -> Locator:
    return page.get_by_role("combobox", name=name, exact=True)


# ── a small tree ──────────────────────────────────────────────────────────────────────────────────────────


def test_every_node_has_its_state_score_and_tokens_and_the_page_is_silent(opener: Opener) -> None:
    opened = opener(small_tree())
    page = opened.page
    expect(rows(page)).to_have_count(8)
    assert names(page) == ["0", "0.0", "0.1", "0.1.0", "0.1.1", "0.1.2", "1", "2"]
    cells = [
        [rows(page).nth(number).locator(f".tree-{cell}").inner_text() for cell in ("state", "reward", "tokens")]
        for number in range(8)
    ]
    assert cells[1] == ["leaf", "0.5", "10"]
    assert cells[4] == ["open", "–", "10"]
    assert cells[6] == ["pruned", "0.25", "10"]
    assert cells[7] == ["failed", "–", "0"]
    expect(page.locator(".tree-summary")).to_have_text("8 nodes, 80 tokens, depth 3, best score 0.938.")
    legend = page.locator(".tree-legend li").all_inner_texts()
    assert [text.strip() for text in legend] == [
        "chosen: 1 node, 10 tokens",
        "leaf: 2 nodes, 20 tokens",
        "expanded: 2 nodes, 30 tokens",
        "open: 1 node, 10 tokens",
        "pruned: 1 node, 10 tokens",
        "failed: 1 node, 0 tokens",
    ]
    expect(rows(page).nth(2).locator(".tree-name")).to_contain_text("×3")
    assert opened.messages == []
    assert opened.requests == []


def test_states_differ_in_shape_and_not_in_colour_alone(opener: Opener) -> None:
    page = opener(small_tree()).page
    signs = page.locator(".tree-legend svg path")
    expect(signs).to_have_count(6)
    shapes = {sign.get_attribute("d") for sign in signs.all()}
    colours = {sign.evaluate("path => getComputedStyle(path).fill") for sign in signs.all()}
    assert len(shapes) == len(colours) == 6


def test_the_chosen_path_is_marked_in_the_table_and_on_the_map(opener: Opener) -> None:
    page = opener(small_tree()).page
    expect(page.locator(".tree-row.on-path")).to_have_count(3)
    assert page.locator(".tree-row.on-path .tree-name bdi").all_text_contents() == ["0", "0.1", "0.1.0"]
    assert all("on the chosen path" in (row.text_content() or "") for row in page.locator(".on-path").all())
    expect(page.locator(".tree-map .map-path")).to_have_count(3)
    expect(active(page).locator(".tree-name bdi")).to_have_text("0.1.0")


def test_a_click_shows_the_step_and_the_whole_path_with_its_scores(opener: Opener) -> None:
    page = opener(small_tree()).page
    rows(page).filter(has_text="That is 11.").click()
    box = details(page)
    expect(box.locator("h4")).to_contain_text("0.0 · depth 2 · leaf: an ended solution")
    expect(box.locator("dl")).to_contain_text("Answer11Score0.5Tokens10When0.0300 to 1.03 s")
    expect(box.locator(".tree-step")).to_have_text("That is 11.")
    expect(box.locator(".tree-whole")).to_have_text("First add. That is 11.")
    path = [row.locator("th, td").all_text_contents() for row in box.locator(".tree-path tbody tr").all()]
    assert path == [["0", "expanded", "0.75", "10", "10"], ["0.0", "leaf", "0.5", "10", "20"]]
    rows(page).nth(7).click()
    expect(box).to_contain_text("Why there is no scorethe engine went away")
    expect(box.locator(".tree-whole")).to_have_count(0)


def test_the_tree_is_walked_opened_and_closed_by_keyboard(opener: Opener) -> None:
    page = opener(small_tree()).page
    grid = page.get_by_role("treegrid", name="Nodes of the search tree")
    grid.focus()
    steps = [
        ("Home", "0"), ("ArrowDown", "0.0"), ("ArrowLeft", "0"), ("ArrowLeft", "0"), ("ArrowDown", "1"),
        ("End", "2"), ("ArrowUp", "1"), ("Home", "0"), ("ArrowRight", "0"), ("ArrowRight", "0.0"),
        ("ArrowRight", "0.0"), ("ArrowDown", "0.1"), ("Enter", "0.1"), ("ArrowDown", "1"), ("PageUp", "0"),
        ("PageDown", "2"),
    ]  # fmt: skip
    for key, expected in steps:
        page.keyboard.press(key)
        expect(active(page).locator(".tree-name bdi")).to_have_text(expected)
        assert grid.get_attribute("aria-activedescendant") == active(page).get_attribute("id")
        expect(details(page).locator("h4")).to_contain_text(f"{expected} · depth")
    assert names(page) == ["0", "0.0", "0.1", "1", "2"]
    expect(grid).to_have_attribute("aria-rowcount", "6")


def test_rows_say_where_they_stand(opener: Opener) -> None:
    page = opener(small_tree()).page
    row = rows(page).nth(3)
    places = ("level", "posinset", "setsize", "rowindex", "selected")
    assert [row.get_attribute(f"aria-{name}") for name in places] == ["3", "1", "3", "5", "true"]
    assert row.get_attribute("aria-expanded") is None
    assert rows(page).nth(2).get_attribute("aria-expanded") == "true"
    expect(page.get_by_role("treegrid").get_by_role("columnheader")).to_have_count(5)
    assert rows(page).first.get_by_role("gridcell").count() == 5
    expect(page.get_by_role("region", name="The chosen node")).to_be_visible()
    expect(choice(page, "Show")).to_be_visible()
    expect(page.get_by_role("searchbox", name="Find nodes", exact=True)).to_be_visible()


def test_a_node_closes_by_a_click_on_its_sign_and_all_open_and_close_by_buttons(opener: Opener) -> None:
    page = opener(small_tree()).page
    rows(page).nth(2).locator(".toggle").click()
    assert names(page) == ["0", "0.0", "0.1", "1", "2"]
    assert rows(page).nth(2).get_attribute("aria-expanded") == "false"
    page.get_by_role("button", name="Expand all").click()
    expect(tally(page)).to_have_text("8 of 8 nodes in the table")
    page.get_by_role("button", name="Collapse all").click()
    assert names(page) == ["0", "1", "2"]
    page.get_by_role("button", name="Go to the chosen leaf").click()
    assert names(page) == ["0", "0.0", "0.1", "0.1.0", "0.1.1", "0.1.2", "1", "2"]
    expect(active(page).locator(".tree-name bdi")).to_have_text("0.1.0")


def test_only_the_chosen_path_or_expanded_nodes_are_shown_when_asked(opener: Opener) -> None:
    page = opener(small_tree()).page
    choice(page, "Show").select_option("chosen")
    assert names(page) == ["0", "0.1", "0.1.0"]
    expect(tally(page)).to_have_text("3 of 8 nodes in the table")
    expect(page.locator(".map-cell.dim")).not_to_have_count(0)
    choice(page, "Show").select_option("expanded")
    assert names(page) == ["0", "0.1", "0.1.0"]
    choice(page, "Show").select_option("all")
    expect(rows(page)).to_have_count(8)
    expect(page.locator(".map-cell.dim")).to_have_count(0)


def test_nodes_are_found_by_text_with_what_is_above_them(opener: Opener) -> None:
    page = opener(small_tree()).page
    page.get_by_role("button", name="Collapse all").click()
    find = page.get_by_label("Find nodes")
    find.fill("SO IT")
    expect(tally(page)).to_have_text("2 nodes hold it, 4 of 8 nodes in the table")
    assert names(page) == ["0", "0.1", "0.1.0", "0.1.1"]
    assert page.locator(".tree-row.hit .tree-name bdi").all_text_contents() == ["0.1.0", "0.1.1"]
    expect(active(page)).to_contain_text("0.1.0")
    find.press("Enter")
    expect(active(page)).to_contain_text("0.1.1")
    find.press("Enter")
    expect(active(page)).to_contain_text("0.1.0")
    find.fill("the engine went away")
    expect(tally(page)).to_have_text("1 node holds it, 1 of 8 nodes in the table")
    expect(active(page)).to_contain_text("failed")
    find.fill("nowhere to be found")
    expect(tally(page)).to_have_text("0 nodes hold it, 0 of 8 nodes in the table")
    find.fill("")
    expect(tally(page)).to_have_text("8 of 8 nodes in the table")


def test_a_place_on_the_map_is_a_node(opener: Opener) -> None:
    page = opener(small_tree()).page
    tree_map = page.get_by_role("img", name="Map of 8 nodes in 3 levels")
    box = tree_map.bounding_box()
    assert box is not None
    choice(page, "Show").select_option("chosen")
    tree_map.click(position={"x": box["width"] * 0.75, "y": box["height"] / 6})
    expect(active(page).locator(".tree-name bdi")).to_have_text("1")
    expect(choice(page, "Show")).to_have_value("all")
    tree_map.click(position={"x": 4, "y": box["height"] * 5 / 6})
    expect(active(page).locator(".tree-name bdi")).to_have_text("1")


# ── several views, several trees ──────────────────────────────────────────────────────────────────────────


def test_tree_and_time_line_are_views_behind_tabs(opener: Opener) -> None:
    page = opener(small_tree()).page
    tree, line = page.get_by_role("tab", name="Search tree"), page.get_by_role("tab", name="Time line")
    expect(tree).to_have_attribute("aria-selected", "true")
    expect(page.locator(".timeline")).to_have_count(0)
    tree.focus()
    page.keyboard.press("ArrowRight")
    expect(line).to_be_focused()
    expect(line).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tabpanel", name="Time line").locator(".timeline .span")).to_have_count(1)
    expect(page.locator(".tree .tree-grid")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    expect(tree).to_be_focused()
    expect(page.locator(".tree .tree-grid")).to_be_visible()
    line.click()
    expect(page.locator(".tree .tree-grid")).to_be_hidden()


def test_each_search_of_a_trace_can_be_chosen(opener: Opener) -> None:
    branch: Span = {**solve_span("branch"), "id": 20, "parent": 0, "kind": "child"}
    page = opener((*small_tree(), branch, node_span(21, "0", span_parent=20, state="pruned"))).page
    expect(rows(page)).to_have_count(8)
    choice(page, "Tree").select_option(label="branch, 1 node")
    expect(rows(page)).to_have_count(1)
    expect(page.locator(".tree-summary")).to_have_text("1 node, 10 tokens, depth 1, best score 0.5.")
    expect(page.get_by_role("button", name="Go to the chosen leaf")).to_have_count(0)
    choice(page, "Show").select_option("chosen")
    expect(rows(page)).to_have_count(0)


def test_a_tree_that_had_no_room_is_summed_up_and_said_to_be_elsewhere(opener: Opener) -> None:
    page = opener(small_tree(), max_tree_chars=10).page
    expect(page.locator(".tree-summary")).to_have_text("8 nodes, 80 tokens, depth 3, best score 0.938.")
    panel = page.get_by_role("tabpanel")
    expect(panel).to_contain_text("The nodes are in the run store only: the page would be too large.")
    expect(page.locator("main")).to_contain_text("1 more answers' search trees are in the run store only.")


# ── hostile text ──────────────────────────────────────────────────────────────────────────────────────────


def test_hostile_text_of_a_tree_is_shown_and_does_nothing(opener: Opener) -> None:
    fields: dict[str, Any] = {
        "text": HOSTILE,
        "reason": HOSTILE,
        "answer": HOSTILE,
        "reward": None,
        "node": HOSTILE,
    }
    spans = (
        solve_span(HOSTILE),
        node_span(1, HOSTILE, state=HOSTILE, **fields),
        node_span(2, "__proto__", state="__proto__", parent_node=HOSTILE, node="__proto__", text="toString"),
        node_span(3, "0", span_parent=99, state="constructor"),
    )
    opened = opener(spans)
    page = opened.page
    expect(rows(page)).to_have_count(2)
    rows(page).first.click()
    box = details(page)
    expect(box.locator(".tree-step")).to_have_text(SHOWN)
    for part in (box.locator("h4"), box.locator("dl dd").first, rows(page).first.locator(".tree-text")):
        expect(part).to_contain_text(SHOWN[:40])
    expect(page.locator(".tree-legend")).to_contain_text("__proto__: 1 node")
    page.get_by_label("Find nodes").fill("<img")
    expect(tally(page)).to_contain_text("1 node holds it")
    choice(page, "Tree").select_option(label="search, 1 node")
    expect(page.locator(".tree-legend")).to_contain_text("constructor: 1 node")
    assert page.locator("img, .tree b b").count() == 0
    assert page.title() == "ttscale report"
    assert page.evaluate("document.documentElement.scrollWidth") <= 1200
    assert opened.messages == []
    assert opened.requests == []


# ── 5,000 nodes ───────────────────────────────────────────────────────────────────────────────────────────


def test_of_five_thousand_nodes_only_those_in_sight_are_in_the_document(opener: Opener) -> None:
    opened = opener(tuple(large_tree()))
    page = opened.page
    expect(page.locator(".tree-summary")).to_have_text(
        "5,000 nodes, 50,000 tokens, depth 25, best score 0.995."
    )
    expect(tally(page)).to_have_text("320 of 5,000 nodes in the table")
    expect(active(page)).to_contain_text("chosen")
    page.get_by_role("button", name="Expand all").click()
    expect(tally(page)).to_have_text("5,000 of 5,000 nodes in the table")
    assert rows(page).count() < 60
    assert page.locator(".tree-map *").count() < 2_000
    page.get_by_role("treegrid").focus()
    page.keyboard.press("End")
    expect(active(page)).to_have_attribute("aria-rowindex", "5001")
    expect(active(page)).to_be_in_viewport()
    page.keyboard.press("Home")
    expect(active(page)).to_have_attribute("aria-rowindex", "2")
    assert rows(page).count() < 60
    assert opened.messages == []


def test_a_large_tree_is_scrolled_to_any_place(opener: Opener) -> None:
    page = opener(tuple(large_tree())).page
    page.get_by_role("button", name="Expand all").click()
    grid = page.get_by_role("treegrid")
    for share in (0.25, 0.5, 1.0, 0.0):
        grid.evaluate(
            "(box, share) => { box.scrollTop = share * (box.scrollHeight - box.clientHeight); }", share
        )
        wanted = 2 + round(share * 4_999)
        near = page.locator(
            ", ".join(f'.tree-row[aria-rowindex="{wanted + step}"]' for step in (-2, -1, 0, 1, 2))
        )
        expect(near.first).to_be_visible()
        assert rows(page).count() < 60
        # However far the table is scrolled, the active row that its attribute names is there.
        assert page.locator(f"[id='{grid.get_attribute('aria-activedescendant')}']").count() == 1


def test_a_large_tree_is_searched_and_filtered(opener: Opener) -> None:
    page = opener(tuple(large_tree())).page
    page.get_by_label("Find nodes").fill("in step 4321 we")
    expect(tally(page)).to_have_text("1 node holds it, 22 of 5,000 nodes in the table")
    expect(active(page)).to_contain_text("In step 4321 we")
    expect(details(page).locator(".tree-path tbody tr")).to_have_count(22)
    page.get_by_label("Find nodes").fill("")
    choice(page, "Show").select_option("chosen")
    expect(tally(page)).to_have_text("25 of 5,000 nodes in the table")
    choice(page, "Show").select_option("expanded")
    page.get_by_role("button", name="Expand all").click()
    expect(tally(page)).to_have_text("961 of 5,000 nodes in the table")


def test_the_tree_fits_a_narrow_screen(opener: Opener) -> None:
    page = opener(tuple(large_tree()), width=390).page
    expect(active(page)).to_contain_text("chosen")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for part in (page.locator(".tree-grid"), details(page), page.locator(".tree-map")):
        box = part.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
