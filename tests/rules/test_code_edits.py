"""Edits of a repository in memory: what is read, what is refused, and which is best."""

from __future__ import annotations

import pytest

from ttscale_strategies.dag.rules.code_edits import (
    Block,
    EditError,
    applied,
    blocks_in,
    checked_path,
    diff_text,
    merged_ranking,
    ranked_edits,
)

FILES = {"a.py": "def f():\n    return 1\n\n\ndef g():\n    return 1\n", "pkg/b.py": "x = 2"}


def block(path: str, search: str, replace: str) -> str:
    return f"{path}\n<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n"


def test_blocks_are_read_amid_other_text_and_fences() -> None:
    fenced = "pkg/b.py\n```python" + block("", "c\n", "") + "```\n"
    text = "I mend it.\n\n" + block("`a.py`", "a\n", "b\n") + "\nand\n\n" + fenced
    assert blocks_in(text) == (Block("a.py", "a\n", "b\n"), Block("pkg/b.py", "c\n", ""))


def test_a_block_without_a_path_is_of_the_same_file() -> None:
    text = block("a.py", "a\n", "b\n") + block("", "c\n", "d\n")
    assert [found.path for found in blocks_in(text)] == ["a.py", "a.py"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "there is no block"),
        ("a.py\n<<<<<<< SEARCH\na\n=======\nb\n", "is not whole"),
        ("<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n", "has no path"),
        (block("a.py", "a\n", "b\n") * 65, "there are 65 blocks"),
        (block("../a.py", "a\n", "b\n"), "is no path of a file"),
    ],
)
def test_what_is_no_edit_is_refused_with_a_word_to_its_author(text: str, message: str) -> None:
    with pytest.raises(EditError, match=message):
        blocks_in(text)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../a",
        "a/../b",
        "~/a",
        ".git/config",
        "a//b",
        "a\\b",
        "a b",
        "",
        "a\x00",
        "ü",
        "x" * 201,
        "a/",
    ],
)
def test_paths_out_of_the_repository_are_refused(path: str) -> None:
    with pytest.raises(EditError, match="is no path"):
        checked_path(path)


def test_an_edit_changes_what_it_finds_once() -> None:
    changed = applied(FILES, [Block("a.py", "def g():\n    return 1\n", "def g():\n    return 2\n")])
    assert changed["a.py"] == "def f():\n    return 1\n\n\ndef g():\n    return 2\n"
    assert FILES["a.py"].count("return 1") == 2
    assert applied(FILES, [Block("pkg/b.py", "x = 2\n", "x = 3\n")])["pkg/b.py"] == "x = 3\n"
    assert applied(FILES, [Block("new.py", "", "y = 1\n")])["new.py"] == "y = 1\n"


@pytest.mark.parametrize(
    ("path", "search", "message"),
    [
        ("a.py", "    return 1\n", "are found 2 times"),
        ("a.py", "    return 3\n", "are not found"),
        ("a.py", "return 1\n", "are not found"),
        ("c.py", "x\n", "there is no file"),
        ("a.py", "", "is there already"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused(path: str, search: str, message: str) -> None:
    with pytest.raises(EditError, match=message):
        applied(FILES, [Block(path, search, "z\n")])


def test_an_edit_is_made_as_a_whole_or_not_at_all_and_must_change_something() -> None:
    with pytest.raises(EditError, match="changes nothing"):
        applied(FILES, [Block("pkg/b.py", "x = 2\n", "x = 3\n"), Block("pkg/b.py", "x = 3\n", "x = 2")])


def test_a_diff_names_the_files_that_changed() -> None:
    text = diff_text(FILES, {**FILES, "pkg/b.py": "x = 3"})
    assert text == "--- a/pkg/b.py\n+++ b/pkg/b.py\n@@ -1 +1 @@\n-x = 2\n+x = 3\n"


def test_the_worked_order_of_edits() -> None:
    second = "b" * 80
    assert ranked_edits([3, 3, 2, 3], ["a" * 120, second, "c" * 10, second]) == (1, 0, 2)
    assert ranked_edits([0, 0], ["aa", "b"], most=1) == (1,)
    assert ranked_edits([], []) == ()


def test_rankings_are_merged_by_mean_relative_rank() -> None:
    paths = ["a", "b", "c", "d"]
    assert merged_ranking([["c", "a"], ["c", "zzz", "b", "c"]], paths) == ("c", "a", "b", "d")
    assert merged_ranking([], paths) == tuple(paths)
