"""Edits of a small repository in memory: search-and-replace blocks read safely, applied, compared, ranked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from ttscale.errors import TTScaleError
from ttscale_strategies.checks import require_one_each, require_positive

MAX_BLOCKS: Final = 64
"""Of one edit."""
MAX_PATH_CHARACTERS: Final = 200

_SEARCH: Final = re.compile(r"<{5,9} ?SEARCH\s*")
_DIVIDER: Final = re.compile(r"={5,9}\s*")
_REPLACE: Final = re.compile(r">{5,9} ?REPLACE\s*")
_PATH: Final = re.compile(r"[\w.+@-]+(/[\w.+@-]+)*", re.ASCII)


class EditError(TTScaleError):
    """An edit that cannot be read, or does not fit the files; the message is for the model that wrote it."""


@dataclass(frozen=True, slots=True)
class Block:
    """One change of an edit."""

    path: str
    search: str
    """Lines as they are; empty: the file is new."""
    replace: str
    """Lines as they are to be."""


def checked_path(path: str) -> str:
    """Return a path of a file in a repository: relative, downwards, of plain characters, nothing hidden.

    Raises:
        EditError: it is none.
    """
    parts = PurePosixPath(path).parts
    if (
        len(path) > MAX_PATH_CHARACTERS
        or not _PATH.fullmatch(path)
        or any(part.startswith(".") for part in parts)
    ):
        raise EditError(f"{path[:80]!r} is no path of a file in the repository")
    return path


def blocks_in(text: str) -> tuple[Block, ...]:
    """Return the search-and-replace blocks of a reply, in order; takes time linear in the text.

    ```
    PATH
    <<<<<<< SEARCH
    lines as they are
    =======
    lines as they are to be
    >>>>>>> REPLACE
    ```

    The path is the last line before the block with something on it, fences of code left out; a block without
    one is of the same file as the block before.

    Raises:
        EditError: there is none, one is not whole or has no path, or there are too many.
    """
    blocks = list[Block]()
    path, before = "", ""
    state, search, replace = "outside", list[str](), list[str]()
    for line in text.replace("\r\n", "\n").split("\n"):
        if state == "outside":
            if _SEARCH.fullmatch(line):
                path = checked_path(before) if before else path
                state, search, replace = "search", [], []
            elif line.strip() and not line.lstrip().startswith("```"):
                before = line.strip().strip("`*").removeprefix("File:").strip()
        elif state == "search":
            if _DIVIDER.fullmatch(line):
                state = "replace"
            else:
                search.append(line)
        elif _REPLACE.fullmatch(line):
            if not path:
                raise EditError("a block has no path; write the file's path on the line before it")
            blocks.append(Block(path, _joined(search), _joined(replace)))
            state, before = "outside", ""
        else:
            replace.append(line)
    if state != "outside":
        raise EditError("the last block is not whole; it must end with a line >>>>>>> REPLACE")
    if not blocks:
        raise EditError("there is no block; write each change between <<<<<<< SEARCH and >>>>>>> REPLACE")
    if len(blocks) > MAX_BLOCKS:
        raise EditError(f"there are {len(blocks)} blocks; at most {MAX_BLOCKS} are read")
    return tuple(blocks)


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def applied(files: Mapping[str, str], blocks: Sequence[Block]) -> dict[str, str]:
    """Return files with an edit made: each block in order, or nothing.

    Args:
        files: text by path; not changed.
        blocks: of the edit.

    Raises:
        EditError: what a block searches for is not found in its file, or more than once, or nothing changes.
    """
    changed = dict(files)
    for block in blocks:
        path = checked_path(block.path)
        if not block.search.strip():
            if changed.get(path, "").strip():
                raise EditError(f"{path!r} is there already; say which of its lines are to be replaced")
            changed[path] = block.replace
            continue
        text = changed.get(path)
        if text is None:
            raise EditError(f"there is no file {path!r}")
        whole = text if text.endswith("\n") else f"{text}\n"
        places = _occurrences(whole, block.search)
        if len(places) != 1:
            told = "are not found" if not places else f"are found {len(places)} times"
            raise EditError(
                f"the lines searched for in {path!r} {told}; copy them exactly, with enough around them"
            )
        changed[path] = whole[: places[0]] + block.replace + whole[places[0] + len(block.search) :]
    if changed == dict(files):
        raise EditError("the edit changes nothing")
    return changed


def _occurrences(text: str, lines: str) -> list[int]:
    """Return where whole lines occur in a text, at most twice."""
    places, start = list[int](), 0
    while len(places) < 2 and (found := text.find(lines, start)) >= 0:
        if found == 0 or text[found - 1] == "\n":
            places.append(found)
        start = found + 1
    return places


def diff_text(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return what has changed between two states of the same files, as a unified diff, by path."""
    lines = list[str]()
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path, ""), after.get(path, "")
        if old != new:
            lines += difflib.unified_diff(
                old.splitlines(), new.splitlines(), f"a/{path}", f"b/{path}", lineterm=""
            )
    return "".join(f"{line}\n" for line in lines)


def ranked_edits(votes: Sequence[int], edits: Sequence[str], most: int = 3) -> tuple[int, ...]:
    """Return the indices of the best edits: by votes, of equals the shorter one, each of equal edits once.

    CodeMonkeys, arXiv:2501.14723. Of edits with votes and lengths 3/120, 3/80, 2/10 and a copy of the second,
    the order is the second, the first, the third. Ours: equals in both go by index.

    Args:
        votes: tests that each passes, >= 0, shape [num_edits].
        edits: their diffs, whose lengths count, shape [num_edits].
        most: edits that are returned, >= 1; the paper's is 3.

    Raises:
        ValueError: shapes differ, or `most` is less than 1.
    """
    require_one_each(votes, edits, "edits")
    require_positive(most, "most")
    order = sorted(range(len(edits)), key=lambda index: (-votes[index], len(edits[index]), index))
    first = dict[str, int]()
    for index in order:
        first.setdefault(edits[index], index)
    return tuple(first.values())[:most]


def merged_ranking(rankings: Sequence[Sequence[str]], paths: Sequence[str]) -> tuple[str, ...]:
    """Return paths by their mean relative rank, i / length in each ranking and 1 where one leaves them out.

    arXiv:2501.14723. Ours: of equals the one that comes first among the paths.

    Args:
        rankings: of paths, best first; what is no path of the repository is left out, and repetitions are.
        paths: all of them.
    """
    known, place = set(paths), {path: number for number, path in enumerate(paths)}
    ranks = dict.fromkeys(paths, 0.0)
    for ranking in rankings:
        listed = [path for path in dict.fromkeys(ranking) if path in known]
        relative = {path: number / len(listed) for number, path in enumerate(listed)}
        for path in paths:
            ranks[path] += relative.get(path, 1.0)
    return tuple(sorted(paths, key=lambda path: (ranks[path], place[path])))
